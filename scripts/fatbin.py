"""The PTX that nvcc put into object files, archives and programs, without CUDA's binary tools."""
import ctypes
import ctypes.util
import re
import struct
import subprocess

MAGIC = struct.pack("<IHH", 0xBA55ED50, 1, 16)
PTX, COMPRESSED_LZ4, COMPRESSED_ZSTD = 1, 0x2000, 0x8000


def expand_zstd(data, size):
    zstd = ctypes.CDLL(ctypes.util.find_library("zstd") or "libzstd.so.1")
    zstd.ZSTD_decompress.restype = ctypes.c_size_t
    out = ctypes.create_string_buffer(size)
    done = zstd.ZSTD_decompress(out, ctypes.c_size_t(size), data, ctypes.c_size_t(len(data)))
    if done != size:
        raise ValueError("damaged zstd data in a fat binary")
    return out.raw


def ptx_modules(path):
    """[(arch, text)] for each PTX image in the file: arch 75 for compute_75."""
    data = open(path, "rb").read()
    modules = []
    at = data.find(MAGIC)
    while at != -1:
        (size,) = struct.unpack_from("<Q", data, at + 8)
        entry, end = at + 16, at + 16 + size
        while entry < end:
            kind, _, header, padded, packed = struct.unpack_from("<HHIQI", data, entry)
            (arch,) = struct.unpack_from("<I", data, entry + 28)
            flags, _, plain = struct.unpack_from("<QQQ", data, entry + 40)
            if kind == PTX:
                body = data[entry + header : entry + header + padded]
                if flags & COMPRESSED_ZSTD:
                    body = expand_zstd(body[:packed], plain)
                elif flags & COMPRESSED_LZ4:
                    raise ValueError(f"{path}: compressed with LZ4; nvcc 13 uses zstd, which is what this reads")
                modules.append((arch, body.rstrip(b"\0").decode()))
            entry += header + padded
        at = data.find(MAGIC, end)
    return modules


def kernels(text):
    """Mangled names of the kernels of a PTX text."""
    return re.findall(r"^\s*(?:\.visible\s+|\.weak\s+)*\.entry\s+([\w$]+)", text, re.M)


def is_cub(name):
    """CUB's own kernels (and thrust's): not written here, and not all of them are launched."""
    return re.match(r"_ZN(K?)(3cub|6thrust)", name) is not None


def demangle(names):
    names = list(names)
    out = subprocess.run(["c++filt"], input="\n".join(names), capture_output=True, text=True, check=True).stdout
    return dict(zip(names, out.splitlines()))


def short(demangled):
    """A kernel's name without return type, parameters and the namespaces that all of them are in."""
    depth, end = 0, len(demangled)
    text = demangled.replace("(anonymous namespace)::", "").replace("leaven::", "").replace("cuda::", "")
    text = text[5:] if text.startswith("void ") else text
    for i, c in enumerate(text):
        depth += {"<": 1, ">": -1}.get(c, 0)
        if c == "(" and depth == 0:
            end = i
            break
    return text[: min(end, len(text))]
