#include <leaven/io.hpp>

#include <sys/resource.h>
#include <sys/stat.h>

#include <csignal>
#include <thread>

#include "tests/support/backend.hpp"
#include "tests/support/temporary_folder.hpp"

namespace leaven::test {
namespace {

namespace fs = std::filesystem;

std::vector<std::uint8_t> filled(std::size_t size, std::uint8_t value) {
  return std::vector<std::uint8_t>(size, value);
}

void expect_refused(const fs::path& path) {
  const std::string text = message_of<IoError>([&] { io::write_file_atomically(path, filled(3, 1)); });
  EXPECT_EQ(text.rfind(path.string() + ": ", 0), 0u) << text;
}

TEST(AtomicFile, ReplacesTheWholeContent) {
  const TemporaryFolder folder;
  io::write_file_atomically(folder / "file", filled(100000, 1));
  io::write_file_atomically(folder / "file", filled(10, 2));
  EXPECT_EQ(read_bytes(folder / "file"), filled(10, 2));
  io::write_file_atomically(folder / "file", {});
  EXPECT_TRUE(read_bytes(folder / "file").empty());
  EXPECT_EQ(folder.names(), std::vector<std::string>{"file"});
}

TEST(AtomicFile, HasTheUsualPermissions) {
  const TemporaryFolder folder;
  io::write_file_atomically(folder / "file", filled(1, 1));
  write_bytes(folder / "other", "x");
  EXPECT_EQ(fs::status(folder / "file").permissions(), fs::status(folder / "other").permissions());
}

TEST(AtomicFile, ReplacesTheFileThatALinkNames) {
  const TemporaryFolder folder;
  write_bytes(folder / "file", "old");
  fs::create_symlink("file", folder / "link");
  io::write_file_atomically(folder / "link", filled(2, 7));
  EXPECT_TRUE(fs::is_symlink(folder / "link"));
  EXPECT_EQ(read_bytes(folder / "file"), filled(2, 7));
}

TEST(AtomicFile, RefusesWhatIsNoFileAndLeavesNothingBehind) {
  const TemporaryFolder folder;
  fs::create_directory(folder / "folder");
  expect_refused(folder / "folder");
  expect_refused(folder / "missing/file");
  expect_refused("/dev/null");
  EXPECT_TRUE(fs::is_character_file("/dev/null"));
  expect_refused("");
  expect_refused(folder / std::string(300, 'x'));
  EXPECT_EQ(folder.names(), std::vector<std::string>{"folder"});
}

TEST(AtomicFile, AFailedWriteKeepsTheOldContentAndLeavesNothingBehind) {
  const TemporaryFolder folder;
  write_bytes(folder / "file", "old");
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const rlimit small{.rlim_cur = 1000, .rlim_max = before.rlim_max};
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  const std::string text = message_of<IoError>([&] { io::write_file_atomically(folder / "file", filled(5000, 1)); });
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  std::signal(SIGXFSZ, handler);
  EXPECT_NE(text.find("cannot be written"), std::string::npos) << text;
  EXPECT_EQ(read_bytes(folder / "file"), std::vector<std::uint8_t>({'o', 'l', 'd'}));
  EXPECT_EQ(folder.names(), std::vector<std::string>{"file"});
}

TEST(AtomicFile, ReadersSeeOneWholeContentWhileOthersWrite) {
  const TemporaryFolder folder;
  io::write_file_atomically(folder / "file", filled(3000, 9));
  std::vector<std::thread> writers;
  for (const std::uint8_t value : {std::uint8_t{1}, std::uint8_t{2}}) {
    writers.emplace_back([&, value] {
      for (std::size_t i = 0; i < 20; ++i) io::write_file_atomically(folder / "file", filled(2000 + i, value));
    });
  }
  for (int i = 0; i < 200; ++i) {
    const std::vector<std::uint8_t> seen = read_bytes(folder / "file");
    ASSERT_GE(seen.size(), 2000u);
    ASSERT_EQ(seen, filled(seen.size(), seen[0]));
  }
  for (std::thread& writer : writers) writer.join();
  EXPECT_EQ(folder.names(), std::vector<std::string>{"file"});
}

}  // namespace
}  // namespace leaven::test
