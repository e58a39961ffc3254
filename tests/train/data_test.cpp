#include <zlib.h>

#include <algorithm>
#include <cstdlib>
#include <numeric>
#include <set>

#include <leaven/io.hpp>
#include <leaven/train/data.hpp>
#include "tests/support/backend.hpp"
#include "tests/support/temporary_folder.hpp"

namespace leaven::test {
namespace {

using train::DataSet;
using train::Split;

using Bytes = std::vector<std::uint8_t>;

Bytes big_endian(std::uint32_t n) {
  return {static_cast<std::uint8_t>(n >> 24), static_cast<std::uint8_t>(n >> 16), static_cast<std::uint8_t>(n >> 8),
          static_cast<std::uint8_t>(n)};
}

Bytes idx(const std::vector<std::uint32_t>& shape, const Bytes& values) {
  Bytes bytes{0, 0, 8, static_cast<std::uint8_t>(shape.size())};
  for (const std::uint32_t n : shape) {
    for (const std::uint8_t b : big_endian(n)) bytes.push_back(b);
  }
  bytes.insert(bytes.end(), values.begin(), values.end());
  return bytes;
}

void write_gzip(const std::filesystem::path& path, const Bytes& bytes) {
  const gzFile file = gzopen(path.c_str(), "wb");
  ASSERT_NE(file, nullptr);
  ASSERT_EQ(gzwrite(file, bytes.data(), static_cast<unsigned>(bytes.size())), static_cast<int>(bytes.size()));
  ASSERT_EQ(gzclose(file), Z_OK);
}

const Bytes kPixels{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
const Bytes kImages = idx({2, 3, 2}, kPixels);
const Bytes kLabels = idx({2}, {1, 0});
const std::vector<std::string> kNames{"cat", "dog"};

class IdxTest : public testing::Test {
 protected:
  DataSet read() { return train::read_idx(folder_ / "images", folder_ / "labels", kNames, Stream::cpu()); }
  std::string error(const Bytes& images, const Bytes& labels) {
    write_bytes(folder_ / "images", images);
    write_bytes(folder_ / "labels", labels);
    std::string text = message_of<IoError>([&] { read(); });
    const std::string folder = folder_.path().string() + "/";
    for (std::size_t at; (at = text.find(folder)) != std::string::npos;) text.erase(at, folder.size());
    return text;
  }
  TemporaryFolder folder_;
};

TEST_F(IdxTest, ReadsPlainAndGzipAlike) {
  for (const bool packed : {false, true}) {
    const auto write = [&](const std::filesystem::path& path, const Bytes& bytes) {
      packed ? write_gzip(path, bytes) : write_bytes(path, bytes);
    };
    write(folder_ / "images", kImages);
    write(folder_ / "labels", kLabels);
    const DataSet data = read();
    EXPECT_EQ(data.shape, (ImageShape{2, 3, 2, 1}));
    EXPECT_EQ(data.images.to_host(Stream::cpu()), kPixels);
    EXPECT_EQ(data.host_labels, (std::vector<std::int32_t>{1, 0}));
    EXPECT_EQ(data.labels.to_host(Stream::cpu()), data.host_labels);
    EXPECT_EQ(data.class_names, kNames);
  }
}

TEST_F(IdxTest, EveryTruncationIsNoticed) {
  for (std::size_t size = 0; size < kImages.size(); ++size) {
    const std::string text = error(Bytes(kImages.begin(), kImages.begin() + static_cast<std::int64_t>(size)), kLabels);
    EXPECT_TRUE(text.starts_with("images: truncated: " + std::to_string(size) + " bytes of content are there")) << text;
  }
  EXPECT_EQ(error(kImages, {kLabels.begin(), kLabels.end() - 1}),
            "labels: truncated: 9 bytes of content are there, 10 were expected");
}

TEST_F(IdxTest, DamagedGzipIsNoticed) {
  write_gzip(folder_ / "packed", kImages);
  const Bytes packed = read_bytes(folder_ / "packed");
  for (std::size_t size = 18; size < packed.size(); ++size) {  // with less, zlib sees no gzip file
    const std::string text = error(Bytes(packed.begin(), packed.begin() + static_cast<std::int64_t>(size)), kLabels);
    EXPECT_TRUE(text.starts_with("images: truncated: ")) << size << text;
  }
  Bytes wrong = packed;
  wrong[wrong.size() - 8] ^= 1;  // the checksum
  EXPECT_EQ(error(wrong, kLabels), "images: damaged: incorrect data check");
}

TEST_F(IdxTest, WrongFilesAreNamed) {
  EXPECT_EQ(error(kLabels, kLabels),
            "images: not an IDX file of 8-bit images: it begins with the bytes 0 0 8 1, expected 0 0 8 3");
  EXPECT_EQ(error(kImages, kImages),
            "labels: not an IDX file of 8-bit labels: it begins with the bytes 0 0 8 3, expected 0 0 8 1");
  Bytes longer = kImages;
  longer.push_back(0);
  EXPECT_EQ(error(longer, kLabels), "images: longer than its header says, 28 bytes");
  EXPECT_EQ(error(kImages, idx({3}, {0, 1, 0})), "labels: 3 labels, but images has 2 images");
  EXPECT_EQ(error(kImages, idx({2}, {0, 2})), "labels: label 2 of image 1, but there are 2 classes");
  EXPECT_EQ(error(idx({0xffffffff, 0xffffffff, 2}, {}), kLabels), "images: its header asks for more than 2^40 bytes");
  EXPECT_EQ(error(idx({2, 0, 2}, {}), kLabels), "images: its images have no pixels");
  // Sizes that the file does not hold cost no memory.
  EXPECT_EQ(error(idx({60000, 10000, 1000}, kPixels), kLabels),
            "images: truncated: 28 bytes of content are there, 600000000016 were expected");
  std::filesystem::remove(folder_ / "labels");
  write_bytes(folder_ / "images", kImages);
  EXPECT_TRUE(message_of<IoError>([&] { read(); }).ends_with("labels: cannot be opened: No such file or directory"));
}

TEST(FashionMnist, HasItsSizesAndClasses) {
  if (!std::filesystem::exists(train::fashion_mnist_folder())) GTEST_SKIP() << "no " << train::fashion_mnist_folder();
  const DataSet test =
      train::read_fashion_mnist(train::fashion_mnist_folder(), train::FashionMnist::test, Stream::cpu());
  EXPECT_EQ(test.shape, (ImageShape{10000, 28, 28, 1}));
  for (int label = 0; label < 10; ++label) EXPECT_EQ(std::ranges::count(test.host_labels, label), 1000);
  EXPECT_EQ(test.class_names[9], "boot");
}

TEST(FashionMnist, TheFolderComesFromTheEnvironment) {
  TemporaryFolder folder;
  ::setenv("LEAVEN_FASHION_MNIST", folder.path().c_str(), 1);
  EXPECT_EQ(train::fashion_mnist_folder(), folder.path());
  EXPECT_TRUE(message_of<IoError>([&] {
                train::read_fashion_mnist(folder.path(), train::FashionMnist::train, Stream::cpu());
              }).ends_with("train-images-idx3-ubyte: cannot be opened: No such file or directory"));
  write_gzip(folder / "t10k-images-idx3-ubyte.gz", kImages);
  write_bytes(folder / "t10k-labels-idx1-ubyte", kLabels);
  EXPECT_EQ(train::read_fashion_mnist(folder.path(), train::FashionMnist::test, Stream::cpu()).size(), 2);
  ::unsetenv("LEAVEN_FASHION_MNIST");
  EXPECT_EQ(train::fashion_mnist_folder(), "/usr/share/datasets/fashion-mnist");
}

io::HostImage picture(std::int64_t height, std::int64_t width, std::int64_t channels, std::uint8_t first) {
  io::HostImage image{height, width, channels, Bytes(static_cast<std::size_t>(height * width * channels))};
  std::iota(image.pixels.begin(), image.pixels.end(), first);
  return image;
}

TEST(ImageFolder, ClassesAndPicturesComeSortedByName) {
  TemporaryFolder folder;
  std::filesystem::create_directory(folder / "b");
  std::filesystem::create_directory(folder / "a");
  io::write_png(folder.path() / "b" / "2.png", picture(2, 3, 3, 40));
  io::write_png(folder.path() / "b" / "1.PNG", picture(2, 3, 3, 30));
  io::write_png(folder.path() / "a" / "x.png", picture(2, 3, 3, 20));
  write_bytes(folder.path() / "a" / "notes.txt", "no picture");
  write_bytes(folder / "README", "no class");
  const DataSet data = train::read_image_folder(folder.path(), Stream::cpu());
  EXPECT_EQ(data.shape, (ImageShape{3, 2, 3, 3}));
  EXPECT_EQ(data.class_names, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(data.host_labels, (std::vector<std::int32_t>{0, 1, 1}));
  const Bytes pixels = data.images.to_host(Stream::cpu());
  EXPECT_EQ(pixels[0], 20);
  EXPECT_EQ(pixels[18], 30);
  EXPECT_EQ(pixels[36], 40);
}

TEST(ImageFolder, ErrorsNameTheFile) {
  TemporaryFolder folder;
  const auto error = [&] {
    std::string text = message_of<IoError>([&] { train::read_image_folder(folder.path(), Stream::cpu()); });
    for (std::size_t at; (at = text.find(folder.path().string())) != std::string::npos;) {
      text.replace(at, folder.path().string().size(), "F");
    }
    return text;
  };
  EXPECT_EQ(error(), "F: it has no folder, expected one for each class");
  std::filesystem::create_directory(folder / "a");
  EXPECT_EQ(error(), "F/a: this class has no pictures (PNG, JPEG, PPM, BMP)");
  io::write_png(folder.path() / "a" / "1.png", picture(2, 3, 1, 0));
  io::write_png(folder.path() / "a" / "2.png", picture(4, 3, 1, 0));
  EXPECT_EQ(error(),
            "F/a/2.png: 4x3 pixels and 1 channels, but the first picture, F/a/1.png, has 2x3 and 1: all must be alike");
  write_bytes(folder.path() / "a" / "2.png", "damaged");
  EXPECT_TRUE(error().starts_with("F/a/2.png: ")) << error();
  EXPECT_TRUE(message_of<IoError>([&] {
                train::read_image_folder(folder / "none", Stream::cpu());
              }).ends_with("none: cannot be read: No such file or directory"));
}

DataSet numbered(std::int64_t count, std::int32_t classes, Stream stream = Stream::cpu()) {
  Bytes pixels(static_cast<std::size_t>(count));
  std::vector<std::int32_t> labels;
  for (std::int64_t i = 0; i < count; ++i) {
    pixels[static_cast<std::size_t>(i)] = static_cast<std::uint8_t>(i);
    labels.push_back(static_cast<std::int32_t>((i * 7) % classes));
  }
  std::vector<std::string> names;
  for (std::int32_t c = 0; c < classes; ++c) names.push_back("class " + std::to_string(c));
  return train::make_data_set(pixels, {count, 1, 1, 1}, labels, names, stream);
}

TEST(SplitTest, ListsAreDisjointSortedAndHaveTheirSizesPerClass) {
  const DataSet data = numbered(200, 4);
  const Split split = train::split(data, {.labelled_per_class = 5, .validation_per_class = 3, .seed = 1});
  std::set<std::int64_t> all;
  for (const auto* list : {&split.labelled, &split.unlabelled, &split.validation}) {
    EXPECT_TRUE(std::ranges::is_sorted(*list));
    all.insert(list->begin(), list->end());
  }
  EXPECT_EQ(all.size(), 200u);
  EXPECT_EQ(split.labelled.size() + split.unlabelled.size() + split.validation.size(), 200u);
  for (std::int32_t label = 0; label < 4; ++label) {
    const auto of_class = [&](std::int64_t id) { return data.host_labels[static_cast<std::size_t>(id)] == label; };
    EXPECT_EQ(std::ranges::count_if(split.labelled, of_class), 5);
    EXPECT_EQ(std::ranges::count_if(split.validation, of_class), 3);
  }
}

TEST(SplitTest, DependsOnTheSeedAndFewLabelsAreAmongMany) {
  const DataSet data = numbered(240, 3);
  const Split few = train::split(data, {.labelled_per_class = 2, .validation_per_class = 4, .seed = 1});
  const Split many = train::split(data, {.labelled_per_class = 30, .validation_per_class = 4, .seed = 1});
  const Split other = train::split(data, {.labelled_per_class = 30, .validation_per_class = 4, .seed = 2});
  EXPECT_TRUE(std::ranges::includes(many.labelled, few.labelled));
  EXPECT_EQ(many.validation, few.validation);
  EXPECT_NE(many.labelled, other.labelled);
  EXPECT_EQ(train::split(data, {.labelled_per_class = 30, .validation_per_class = 4, .seed = 1}).labelled,
            many.labelled);
}

TEST(SplitTest, AClassWithTooFewImagesIsNamed) {
  EXPECT_EQ(message_of<InvalidArgument>(
                [] { train::split(numbered(20, 4), {.labelled_per_class = 4, .validation_per_class = 2}); }),
            "split: class 0 (class 0) has 5 images, expected at least 2 + 4 (validation and labelled)");
}

class SelectTest : public BackendTest {};
LEAVEN_ON_BOTH_BACKENDS(SelectTest);

TEST_P(SelectTest, PicksImagesInTheOrderAsked) {
  const DataSet data = numbered(10, 3, stream());
  const std::vector<std::int64_t> ids{7, 0, 7};
  const DataSet some = train::select(data, ids, stream());
  EXPECT_EQ(some.images.to_host(stream()), (Bytes{7, 0, 7}));
  EXPECT_EQ(some.host_labels, (std::vector<std::int32_t>{1, 0, 1}));
  EXPECT_EQ(some.labels.to_host(stream()), some.host_labels);
  const std::vector<std::int64_t> wrong{10};
  EXPECT_EQ(message_of<InvalidArgument>([&] { train::select(data, wrong, stream()); }),
            "select: id 10 is outside the data set of 10 images");
}

TEST_P(SelectTest, ClassesGetNewLabelsInTheOrderAsked) {
  const DataSet data = numbered(9, 3, stream());  // labels 0 1 2 0 1 2 ...
  const std::vector<std::int32_t> classes{2, 0};
  const DataSet two = train::select_classes(data, classes, stream());
  EXPECT_EQ(two.class_names, (std::vector<std::string>{"class 2", "class 0"}));
  EXPECT_EQ(two.images.to_host(stream()), (Bytes{0, 2, 3, 5, 6, 8}));
  EXPECT_EQ(two.host_labels, (std::vector<std::int32_t>{1, 0, 1, 0, 1, 0}));
  const std::vector<std::int32_t> twice{1, 1};
  EXPECT_EQ(message_of<InvalidArgument>([&] { train::select_classes(data, twice, stream()); }),
            "select_classes: class 1 is listed twice");
}

TEST(MakeDataSet, ChecksItsArguments) {
  const Bytes pixels(4);
  const std::vector<std::int32_t> labels{0, 1, kIgnoreLabel, 0};
  const auto make = [&](ImageShape shape, const std::vector<std::int32_t>& given) {
    return train::make_data_set(pixels, shape, given, {"a", "b"}, Stream::cpu());
  };
  EXPECT_EQ(make({4, 1, 1, 1}, labels).size(), 4);
  EXPECT_THROW(make({3, 1, 1, 1}, labels), InvalidArgument);
  EXPECT_THROW(make({2, 1, 1, 2}, {0, 1}), InvalidArgument);
  EXPECT_EQ(message_of<InvalidArgument>([&] {
              make({4, 1, 1, 1}, {0, 1, 2, 0});
            }),
            "make_data_set: the label of image 2 is 2, expected 0 to 1 or -100 (none)");
}

}  // namespace
}  // namespace leaven::test
