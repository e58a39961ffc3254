#include <bit>
#include <cstring>
#include <nlohmann/json.hpp>

#include <leaven/train/checkpoint.hpp>
#include "tests/nn/network_fixture.hpp"
#include "tests/support/temporary_folder.hpp"

namespace leaven::test {
namespace {

using train::Network;
using train::TensorFile;

using Bytes = std::vector<std::uint8_t>;

Network make(std::uint64_t seed, Stream stream) {
  Network network({.description = "conv 3; bn; relu; flatten; linear 2",
                   .input = {1, 4, 3, 1},
                   .seed = seed,
                   .normalisation = kFashionMnist},
                  stream);
  randomise(network, seed);
  return network;
}

std::string text_of(std::uint64_t header_size, const std::string& header, const std::string& values = {}) {
  std::string text(8, '\0');
  std::memcpy(text.data(), &header_size, 8);
  return text + header + values;
}

class CheckpointTest : public BackendTest {
 protected:
  std::filesystem::path path() const { return folder_ / "network.safetensors"; }
  std::string error_of(const std::string& content) {
    write_bytes(path(), content);
    std::string text = message_of<IoError>([&] { train::read_tensors(path()); });
    EXPECT_TRUE(text.starts_with(path().string() + ": ")) << text;
    return text.substr(std::min(text.size(), path().string().size() + 2));
  }
  TemporaryFolder folder_;
};
LEAVEN_ON_BOTH_BACKENDS(CheckpointTest);

TEST_P(CheckpointTest, ALoadedNetworkEqualsTheSavedOne) {
  Network network = make(1, stream());
  save(network, path());
  Network loaded = train::load(path(), stream());
  EXPECT_EQ(hash_of(loaded), hash_of(network));
  EXPECT_EQ(loaded.description(), network.description());
  EXPECT_EQ(loaded.input(), network.input());
  EXPECT_EQ(loaded.options().normalisation.mean, kFashionMnist.mean);
  EXPECT_EQ(loaded.options().normalisation.std, kFashionMnist.std);
  const std::vector<float> images = random_floats(24, 3);
  EXPECT_EQ(run_forward(loaded, images, 2, train::Mode::evaluation),
            run_forward(network, images, 2, train::Mode::evaluation));

  Network other = make(2, stream());
  train::load_parameters(other, path());
  EXPECT_EQ(hash_of(other), hash_of(network));
  EXPECT_EQ(hash_of(train::load(path(), Stream::cpu())), hash_of(network));
}

TEST_P(CheckpointTest, EqualNetworksGiveEqualBytes) {
  save(make(1, stream()), path());
  save(make(1, Stream::cpu()), folder_ / "again");
  save(make(2, stream()), folder_ / "other");
  EXPECT_EQ(read_bytes(path()), read_bytes(folder_ / "again"));
  EXPECT_NE(read_bytes(path()), read_bytes(folder_ / "other"));
}

// The format from its specification, not through the library's reader.
TEST_P(CheckpointTest, TheFileIsSafetensorsInPyTorchsLayout) {
  const Network network = make(1, stream());
  save(network, path());
  const Bytes bytes = read_bytes(path());
  std::uint64_t size = 0;
  std::memcpy(&size, bytes.data(), 8);
  ASSERT_EQ(size % 8, 0u);
  ASSERT_LT(size, bytes.size());
  const auto header = nlohmann::json::parse(bytes.begin() + 8, bytes.begin() + 8 + static_cast<std::int64_t>(size));
  EXPECT_EQ(header["__metadata__"]["description"], "conv 3\nbn\nrelu\nflatten\nlinear 2");
  EXPECT_EQ(header["__metadata__"]["input"], "4 3 1");
  EXPECT_EQ(header["conv1.weight"]["shape"], (std::vector<int>{3, 1, 3, 3}));
  EXPECT_EQ(header["linear1.weight"]["shape"], (std::vector<int>{2, 36}));
  EXPECT_EQ(header.size(), network.parameters().size() + 1);
  std::uint64_t end = 0;
  for (const auto& info : network.parameters()) {
    const auto& entry = header[info.name];
    EXPECT_EQ(entry["dtype"], "F32");
    EXPECT_EQ(entry["data_offsets"][0], end);
    end = entry["data_offsets"][1];
    const std::vector<float> values = network.parameter(info.name);
    EXPECT_EQ(std::memcmp(bytes.data() + 8 + size + entry["data_offsets"][0].get<std::uint64_t>(), values.data(),
                          values.size() * 4),
              0);
  }
  EXPECT_EQ(8 + size + end, bytes.size());
}

// The channel-major order of a flattened picture: a weight for channel c, row y, column x is at (c * height + y) *
// width + x.
TEST_P(CheckpointTest, LinearWeightsBehindFlattenAreChannelMajor) {
  Network network({.description = "conv 2 kernel=1 bias=no; flatten; dropout 0.1; linear 1", .input = {1, 2, 3, 1}},
                  stream());
  network.set_parameter("conv1.weight", std::vector<float>{1, 10});
  std::vector<float> weights(12, 0.0f);
  weights[(1 * 2 + 1) * 3 + 2] = 1;  // channel 1, row 1, column 2
  network.set_parameter("linear1.weight", weights);
  EXPECT_EQ(run_forward(network, {0, 1, 2, 3, 4, 5}, 1, train::Mode::evaluation), std::vector<float>{50});
  EXPECT_EQ(network.parameter("linear1.weight"), weights);
}

TEST_P(CheckpointTest, EveryTruncationIsATypedError) {
  save(make(1, stream()), path());
  const Bytes bytes = read_bytes(path());
  for (std::size_t size = 0; size < bytes.size(); size += size < 600 ? 1 : 37) {
    write_bytes(folder_ / "part", std::span(bytes).first(size));
    Network network = make(2, stream());
    const std::string before = hash_of(network);
    EXPECT_TRUE(
        message_of<IoError>([&] { train::load(folder_ / "part", stream()); }).starts_with((folder_ / "part").string()));
    EXPECT_THROW(train::load_parameters(network, folder_ / "part"), IoError);
    ASSERT_EQ(hash_of(network), before) << size;
  }
}

TEST_P(CheckpointTest, AFileOfAnotherNetworkChangesNothing) {
  save(make(1, stream()), path());
  Network other({.description = "conv 4; bn; relu; flatten; linear 2", .input = {1, 4, 3, 1}}, stream());
  const std::string before = hash_of(other);
  EXPECT_EQ(message_of<IoError>([&] { train::load_parameters(other, path()); }),
            path().string() + ": tensor conv1.weight is 3x1x3x3, expected 4x1x3x3");
  Network deeper({.description = "conv 3; bn; relu; flatten; linear 2; relu; linear 2", .input = {1, 4, 3, 1}},
                 stream());
  EXPECT_EQ(message_of<IoError>([&] { train::load_parameters(deeper, path()); }),
            path().string() + ": tensor linear2.weight is missing");
  EXPECT_EQ(hash_of(other), before);
}

TEST_P(CheckpointTest, CorruptHeadersAreTypedErrors) {
  EXPECT_EQ(error_of(""), "not a safetensors file: shorter than 8 bytes");
  EXPECT_EQ(error_of(text_of(std::uint64_t{1} << 60, "{}")),
            "not a safetensors file: a header of 1152921504606846976 bytes");
  EXPECT_EQ(error_of(text_of(3, "{}")), "truncated: it ends within the header");
  EXPECT_TRUE(error_of(text_of(2, "{]")).starts_with("not a safetensors file: "));
  EXPECT_EQ(error_of(text_of(2, "[]")), "not a safetensors file: its header is no JSON object");
  const auto tensor = [&](const std::string& entry, const std::string& values) {
    const std::string header = "{\"a\":" + entry + "}";
    return error_of(text_of(header.size(), header, values));
  };
  EXPECT_EQ(tensor(R"({"dtype":"F16","shape":[1],"data_offsets":[0,2]})", "12"), "tensor a is \"F16\", expected F32");
  EXPECT_EQ(tensor(R"({"dtype":"F32","shape":[2],"data_offsets":[0,4]})", "1234"),
            "tensor a has 4 bytes, expected 8 for its shape");
  EXPECT_EQ(tensor(R"({"dtype":"F32","shape":[2],"data_offsets":[0,8]})", "1234"),
            "truncated: tensor a ends at byte 8 of 4");
  EXPECT_EQ(tensor(R"({"dtype":"F32","shape":[1],"data_offsets":[0,4]})", "12345"),
            "5 bytes of values, but its tensors have 4");
  EXPECT_TRUE(tensor(R"({"dtype":"F32","shape":[1048576,1048576,1048576],"data_offsets":[0,4]})", "1234")
                  .starts_with("tensor a has an impossible shape"));
  EXPECT_TRUE(tensor(R"({"dtype":"F32","shape":[-1],"data_offsets":[0,4]})", "1234").starts_with("tensor a has"));
  EXPECT_TRUE(tensor(R"({"shape":[1],"data_offsets":[0,4]})", "1234").starts_with("not a safetensors file: "));
  EXPECT_TRUE(tensor(R"({"dtype":"F32","shape":1.5,"data_offsets":[0,4]})", "1234").starts_with("tensor a has"));
  EXPECT_TRUE(
      tensor(R"({"dtype":"F32","shape":[1],"data_offsets":"x"})", "1234").starts_with("not a safetensors file: "));
}

TEST_P(CheckpointTest, ASafetensorsFileWithoutADescriptionIsNoNetwork) {
  train::write_tensors(path(), {.tensors = {{"a", {2}, {1, 2}}}, .metadata = {}});
  EXPECT_EQ(message_of<IoError>([&] { train::load(path(), stream()); }),
            path().string() + ": no network of Leaven: the metadata lack its description");
  const TensorFile wrong{.tensors = {},
                         .metadata = {{"format", "leaven network 1"},
                                      {"description", "conv 3; nothing"},
                                      {"input", "4 3 1"},
                                      {"normalisation_mean", "0 0 0"},
                                      {"normalisation_std", "1 1 1"}}};
  train::write_tensors(path(), wrong);
  EXPECT_TRUE(message_of<IoError>([&] {
                train::load(path(), stream());
              }).starts_with(path().string() + ": Network: layer \"nothing\": there is no layer nothing"));
}

TEST_P(CheckpointTest, AFailedWriteLeavesTheOldFile) {
  train::write_tensors(path(), {.tensors = {{"a", {2}, {1, 2}}}, .metadata = {}});
  const Bytes before = read_bytes(path());
  EXPECT_EQ(message_of<InvalidArgument>([&] {
              train::write_tensors(path(), {.tensors = {{"a", {3}, {1, 2}}}, .metadata = {}});
            }),
            "write_tensors: tensor a has 2 values, expected 3 for its shape");
  EXPECT_EQ(message_of<InvalidArgument>([&] {
              train::write_tensors(path(), {.tensors = {{"a", {1}, {1}}, {"a", {1}, {1}}}, .metadata = {}});
            }),
            "write_tensors: there are two tensors a");
  EXPECT_EQ(read_bytes(path()), before);
  EXPECT_EQ(folder_.names().size(), 1u);
  EXPECT_THROW(save(make(1, stream()), folder_ / "no" / "folder"), IoError);
}

TEST_P(CheckpointTest, TensorsOfAnyShapeComeBack) {
  const TensorFile file{.tensors = {{"b", {}, {3.5f}}, {"a", {2, 0, 3}, {}}, {"c", {2, 1}, {-0.0f, INFINITY}}},
                        .metadata = {{"key", "value \"\\ \n ä"}}};
  train::write_tensors(path(), file);
  const TensorFile back = train::read_tensors(path());
  ASSERT_EQ(back.tensors.size(), 3u);
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(back.tensors[i].name, file.tensors[i].name);
    EXPECT_EQ(back.tensors[i].shape, file.tensors[i].shape);
    EXPECT_EQ(back.tensors[i].values, file.tensors[i].values);
  }
  EXPECT_EQ(back.metadata, file.metadata);
}

}  // namespace
}  // namespace leaven::test
