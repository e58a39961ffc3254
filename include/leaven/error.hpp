#pragma once

#include <stdexcept>

namespace leaven {

/// The base of everything that the library throws. The text names the function, the argument, what was expected and
/// what came. All checks happen on the host before any work begins: after a throw the outputs are as they were.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// A call that cannot be right: shapes that do not match, a negative size, a NaN parameter, a null pointer.
class InvalidArgument : public Error {
 public:
  using Error::Error;
};

/// A CUDA call or launch that failed, or a CUDA stream asked for where there is no CUDA device.
class CudaError : public Error {
 public:
  using Error::Error;
};

/// Memory of the host or of the device that could not be had.
class OutOfMemory : public Error {
 public:
  using Error::Error;
};

/// A file that cannot be read, written or understood. The text begins with the file's name.
class IoError : public Error {
 public:
  using Error::Error;
};

}  // namespace leaven
