#include <cmath>
#include <limits>
#include <sstream>

#include <leaven/error.hpp>
#include <nlohmann/json.hpp>

#include "samples/support/command_line.hpp"
#include "samples/support/json_log.hpp"
#include "samples/support/names.hpp"
#include "samples/support/numbers.hpp"
#include "samples/support/progress_line.hpp"
#include "samples/support/table.hpp"
#include "tests/support/backend.hpp"
#include "tests/support/temporary_folder.hpp"

namespace leaven::test {
namespace {

using namespace samples;

TEST(Names, NearestCountsLettersToChange) {
  const std::vector<std::string> names{"rotate", "translate", "solarize", "posterize"};
  EXPECT_EQ(nearest("rotate", names), "rotate");
  EXPECT_EQ(nearest("rotaet", names), "rotate") << "two letters swapped";
  EXPECT_EQ(nearest("solarise", names), "solarize");
  EXPECT_EQ(nearest("trans", names), "translate") << "begun";
  EXPECT_EQ(nearest("xyz", names), std::nullopt);
  EXPECT_EQ(nearest("", names), std::nullopt);
  EXPECT_EQ(alternatives(names), "rotate, translate, solarize or posterize");
}

TEST(Numbers, ReadAsPeopleWriteThem) {
  EXPECT_EQ(fixed(3.14159, 2), "3.14");
  EXPECT_EQ(fixed(-0.001, 1), "0.0");
  EXPECT_EQ(thousands(0), "0");
  EXPECT_EQ(thousands(999), "999");
  EXPECT_EQ(thousands(1000), "1,000");
  EXPECT_EQ(thousands(-1234567.4), "-1,234,567");
  EXPECT_EQ(thousands(INFINITY), "inf");
  EXPECT_EQ(percent(0.8234), "82.3 %");
  EXPECT_EQ(points(0.0123), "+1.2");
  EXPECT_EQ(points(-0.0123), "-1.2");
  EXPECT_EQ(points(0.0001), "0.0");
  EXPECT_EQ(duration(0.84), "0.84 s");
  EXPECT_EQ(duration(9.999), "10.0 s");
  EXPECT_EQ(duration(12.34), "12.3 s");
  EXPECT_EQ(duration(245), "4 min 05 s");
  EXPECT_EQ(duration(3599.7), "1 h 00 min");
  EXPECT_EQ(duration(3720), "1 h 02 min");
  EXPECT_EQ(duration(NAN), "unknown time");
  EXPECT_EQ(size_bytes(312), "312 B");
  EXPECT_EQ(size_bytes(46285), "45.2 KiB");
  EXPECT_EQ(size_bytes(1024 * 1024 - 1), "1.0 MiB");
}

TEST(Table, AlignsItsColumns) {
  const Table table{{{"method", Align::left}, {"accuracy"}, {"note", Align::left}},
                    {{"plain", "71.0 %", ""}, {"CutMix", "9.5 %", "a note"}, {"caf\xc3\xa9"}}};
  EXPECT_EQ(table.text(),
            "method  accuracy  note\n"
            "------------------------\n"
            "plain     71.0 %\n"
            "CutMix     9.5 %  a note\n"
            "caf\xc3\xa9\n");
}

struct Clock {
  double now = 100;
  std::ostringstream out;
  ProgressOptions options(int columns) {
    return {.out = &out, .columns = columns, .clock_s = [this] { return now; }};
  }
};

TEST(Progress, RewritesOneLineOnATerminal) {
  Clock clock;
  {
    ProgressLine line("train", 4000, clock.options(80));
    clock.now += 0.05;
    line.show(10);
    EXPECT_EQ(clock.out.str(), "") << "too early";
    clock.now += 0.95;
    line.show(1000, "loss 0.5");
    EXPECT_EQ(clock.out.str(), "\rtrain  1,000 of 4,000 images  1,000 images/s  3.00 s left  loss 0.5\x1b[K");
    clock.out.str("");
    clock.now += 3;
    line.finish();
    line.finish();
    EXPECT_EQ(clock.out.str(), "\rtrain  4,000 images in 4.00 s  1,000 images/s\x1b[K\n");
  }
}

TEST(Progress, NeverWrapsAndEndsItsLineBeforeOtherText) {
  Clock clock;
  {
    ProgressLine line("train", 4000, clock.options(20));
    clock.now += 1;
    line.show(1000);
    EXPECT_EQ(clock.out.str(), "\rtrain  1,000 of 4,0\x1b[K");
    line.print("a picture failed");
    EXPECT_NE(clock.out.str().find("\r\x1b[Ka picture failed\n"), std::string::npos);
    clock.now += 1;
    line.show(2000);
  }
  EXPECT_EQ(clock.out.str().back(), '\n');
}

TEST(Progress, WritesALineEveryFewSecondsElsewhere) {
  Clock clock;
  ProgressLine line("train", 100, clock.options(0));
  for (int i = 1; i <= 100; ++i) {
    clock.now += 0.25;
    line.show(i);
  }
  line.finish("done");
  const std::string text = clock.out.str();
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 25 / 5 + 1) << text;
  EXPECT_EQ(text.find('\r'), std::string::npos);
  EXPECT_NE(text.find("train  100 images in 25.0 s  4 images/s  done\n"), std::string::npos) << text;
}

TEST(JsonLog, WritesOneObjectPerLine) {
  const TemporaryFolder folder;
  {
    JsonLog log(folder / "new/log.jsonl");
    log.write("step", {{"loss", 0.5}, {"step", 3}});
    log.write("end", {{"loss", std::numeric_limits<double>::quiet_NaN()}, {"text", "\xff\"\n"}});
  }
  std::ifstream file(folder / "new/log.jsonl");
  std::string line;
  ASSERT_TRUE(std::getline(file, line));
  nlohmann::json object = nlohmann::json::parse(line);
  EXPECT_EQ(object["event"], "step");
  EXPECT_EQ(object["loss"], 0.5);
  EXPECT_GE(object["time_s"], 0.0);
  EXPECT_EQ(line.rfind("{\"time_s\":", 0), 0u) << line;
  ASSERT_TRUE(std::getline(file, line));
  EXPECT_TRUE(nlohmann::json::parse(line)["loss"].is_null());
  EXPECT_FALSE(std::getline(file, line));
}

TEST(JsonLog, WithoutAPathWritesNowhereAndABadPathThrows) {
  JsonLog().write("step", {});
  JsonLog("").write("step", {});
  EXPECT_THROW(JsonLog("/dev/null/log"), IoError);
}

struct Outcome {
  int status = 0;
  std::string errors;
};

Outcome run(std::vector<const char*> arguments, const std::function<void()>& body) {
  const auto app = make_app("program", "Does something.", "  program --number 3\n");
  int number = 1;
  app->add_option("--number", number, "How many")->type_name("N")->group("Numbers");
  const MachineOptions machine(*app);
  arguments.insert(arguments.begin(), "program");
  testing::internal::CaptureStderr();
  const int status = run_program(*app, static_cast<int>(arguments.size()), arguments.data(), body);
  return {status, testing::internal::GetCapturedStderr()};
}

TEST(CommandLine, ExitStatusTellsFailureFromWrongUsage) {
  EXPECT_EQ(run({}, [] {}).status, 0);
  EXPECT_EQ(run({}, [] { throw IoError("a.png: no such file"); }).status, 1);
  EXPECT_EQ(run({}, [] { throw IoError("a.png: no such file"); }).errors, "program: a.png: no such file\n");
  EXPECT_EQ(run({}, [] { throw UsageError("not so"); }).status, 2);
  EXPECT_EQ(run({"--number", "x"}, [] {}).status, 2);
  EXPECT_EQ(run({"stray"}, [] {}).status, 2);
  EXPECT_NE(run({"stray"}, [] {}).errors.find("unexpected argument 'stray'"), std::string::npos);
}

TEST(CommandLine, AnswersUnknownNamesWithTheNearest) {
  const Outcome option = run({"--nubmer", "3"}, [] {});
  EXPECT_EQ(option.status, 2);
  EXPECT_EQ(option.errors, "program: unknown option --nubmer, did you mean '--number'?\nTry 'program --help'.\n");
  EXPECT_NE(run({"--nubmer=3"}, [] {}).errors.find("unknown option --nubmer, did"), std::string::npos);
  const Outcome value = run({"--backend", "cdua"}, [] {});
  EXPECT_EQ(value.status, 2);
  EXPECT_NE(value.errors.find("did you mean 'cuda'? Allowed: auto, cpu, cuda"), std::string::npos) << value.errors;
}

TEST(CommandLine, HelpShowsGroupsDefaultsAndExamples) {
  testing::internal::CaptureStdout();
  EXPECT_EQ(run({"--help"}, [] { FAIL() << "the body runs"; }).status, 0);
  const std::string help = testing::internal::GetCapturedStdout();
  for (const char* part : {"Does something.", "Numbers:", "--number N", "How many [1]", "Machine:", "--backend",
                           "[auto]", "--help", "Examples:\n  program --number 3"}) {
    EXPECT_NE(help.find(part), std::string::npos) << part << " lacks in\n" << help;
  }
}

TEST(CommandLine, OpensTheBackendAskedFor) {
  const auto app = make_app("program", "", "");
  const MachineOptions machine(*app);
  const char* arguments[] = {"program", "--backend", "cpu"};
  EXPECT_EQ(run_program(*app, 3, arguments, [&] { EXPECT_EQ(machine.open().backend(), Backend::cpu); }), 0);
  EXPECT_EQ(describe(Stream::cpu()).rfind("cpu (", 0), 0u);
}

}  // namespace
}  // namespace leaven::test
