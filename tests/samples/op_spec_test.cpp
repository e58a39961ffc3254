#include "samples/support/op_spec.hpp"

#include "samples/support/command_line.hpp"
#include "tests/support/backend.hpp"

namespace leaven::test {
namespace {

using samples::ParsedOp;
using samples::UsageError;

ParsedOp parse(std::string_view text) { return samples::parse_op(text, samples::operation_specs()); }

// Expects a complaint that begins with the text itself and has each of `parts` in it.
void expect_complaint(std::string_view text, std::initializer_list<std::string> parts) {
  const std::string what = message_of<UsageError>([&] { parse(text); });
  EXPECT_EQ(what.rfind(std::string(text) + ": ", 0), 0u) << what;
  for (const std::string& part : parts) EXPECT_NE(what.find(part), std::string::npos) << what << "\nlacks " << part;
}

TEST(OpSpec, KnowsEveryOperation) {
  for (const char* text : {"brightness:factor=1.5",
                           "brightness:offset=-20",
                           "contrast:factor=0",
                           "color:factor=2",
                           "hue:factor=-0.25",
                           "posterize:bits=3",
                           "solarize:threshold=178.5",
                           "solarize_add",
                           "solarize_add:addend=20,threshold=200",
                           "sharpness:factor=2",
                           "autocontrast",
                           "equalize",
                           "grey",
                           "invert",
                           "gaussian_blur:kernel_size=5,sigma=1.5",
                           "erase:x=-3,y=2,width=10,height=8",
                           "erase:x=1,y=2,width=10,height=8,fill=128",
                           "flip:axis=left_right",
                           "flip:axis=top_bottom",
                           "flip:axis=both",
                           "crop:x=1,y=2,width=3,height=4",
                           "pad_crop:padding=4,x=0,y=8,fill=9",
                           "resize:width=64,height=32",
                           "resize:width=64,height=32,interpolation=nearest",
                           "rotate:angle=-30",
                           "shear:x=0.2",
                           "shear:y=0.2",
                           "shear:x=0.1,y=-0.2",
                           "translate:x=3",
                           "translate:y=-4.5",
                           "affine:angle=10,translate_x=1,translate_y=2,scale=1.1,shear_x=3,shear_y=4",
                           "affine:scale=2",
                           "perspective:x1=3,y3=-4.5",
                           "rotate:angle=1,interpolation=bilinear,fill=128",
                           "rotate:angle=1,interpolation=bicubic,border=reflect",
                           "affine:angle=1,fill=0"}) {
    const ParsedOp op = parse(text);
    EXPECT_EQ(op.text, text);
    EXPECT_EQ(op.name, std::string_view(text).substr(0, op.name.size()));
  }
}

TEST(OpSpec, ReadsValuesAndDefaults) {
  const ParsedOp op = parse("affine:angle=-12.5,scale=+2,interpolation=bilinear");
  EXPECT_EQ(op["angle"], -12.5);
  EXPECT_EQ(op["scale"], 2.0);
  EXPECT_EQ(op["translate_x"], 0.0);
  EXPECT_EQ(op["shear_y"], 0.0);
  EXPECT_EQ(op["interpolation"], 1.0);
  EXPECT_EQ(op["fill"], 0.0);
  EXPECT_EQ(op["border"], 0.0);
  EXPECT_EQ(parse("shear:x=1,interpolation=bicubic,border=wrap")["border"], 3.0);
  EXPECT_EQ(parse("resize:width=3,height=2")["interpolation"], 1.0) << "bilinear";
  EXPECT_EQ(parse("perspective:x1=3")["y4"], 0.0);
  EXPECT_EQ(parse("flip:axis=both")["axis"], 2.0);
  EXPECT_EQ(parse("crop:height=4,width=3,y=2,x=1")["y"], 2.0) << "in any order";
  EXPECT_EQ(parse("rotate:angle=1e1")["angle"], 10.0);
  EXPECT_TRUE(parse("brightness:offset=3").has("offset"));
  EXPECT_FALSE(parse("brightness:offset=3").has("factor"));
}

TEST(OpSpec, AnswersAnUnknownNameWithTheNearest) {
  expect_complaint("rotat:angle=3", {"'rotat' is not known", "did you mean 'rotate'?", "affine", "translate"});
  expect_complaint("colour:factor=3", {"did you mean 'color'?"});
  expect_complaint("rotate angle=3", {"did you mean 'rotate'?"});
  expect_complaint("", {"'' is not known.", "Known: brightness"});
  expect_complaint("zzzzzzzz", {"'zzzzzzzz' is not known. Known: brightness"});
}

TEST(OpSpec, AnswersAnUnknownKeyWithTheAllowedOnes) {
  expect_complaint("rotate:angel=3",
                   {"key 'angel'", "did you mean 'angle'?", "rotate takes angle, interpolation, fill, border"});
  expect_complaint("invert:factor=1", {"invert takes no key"});
  expect_complaint("flip:axis=both,fill=3", {"key 'fill'", "flip takes axis"});
  expect_complaint("rotate:=3", {"key '' is not known"});
  expect_complaint("rotate:angle=3,,fill=3", {"key '' is not known"});
}

TEST(OpSpec, NamesAValueThatIsWrongAndWhatIsAllowed) {
  expect_complaint("rotate:angle=fast", {"angle is 'fast'. Expected a number"});
  expect_complaint("rotate:angle=3deg", {"angle is '3deg'"});
  expect_complaint("rotate:angle=", {"angle is ''"});
  expect_complaint("rotate:angle=nan", {"angle is 'nan'"});
  expect_complaint("rotate:angle=inf", {"angle is 'inf'"});
  expect_complaint("rotate:angle=1e999", {"angle is '1e999'"});
  expect_complaint("posterize:bits=9", {"bits is '9'. Expected a whole number from 0 to 8"});
  expect_complaint("posterize:bits=-1", {"from 0 to 8"});
  expect_complaint("posterize:bits=2.5", {"a whole number"});
  expect_complaint("brightness:factor=-0.1", {"Expected a number from 0 to 1000"});
  expect_complaint("brightness:offset=256", {"from -255 to 255"});
  expect_complaint("affine:scale=0", {"Expected a number above 0 and below 1000"});
  expect_complaint("affine:shear_x=90", {"above -90 and below 90"});
  expect_complaint("flip:axis=left", {"axis is 'left', did you mean 'left_right'?", "left_right, top_bottom or both"});
  expect_complaint("rotate:angle=1,interpolation=cubic", {"did you mean 'bicubic'?", "nearest, bilinear or bicubic"});
  expect_complaint("rotate:angle=1,border=mirror", {"fill, edge, reflect or wrap"});
  expect_complaint("hue:factor=0.6", {"from -0.500 to 0.500"});
  expect_complaint("gaussian_blur:kernel_size=4,sigma=1", {"Expected an odd whole number from 1 to 63"});
  expect_complaint("gaussian_blur:kernel_size=5,sigma=0", {"Expected a number above 0"});
  expect_complaint("erase:x=1,y=1,width=0,height=3", {"a whole number from 1"});
  expect_complaint("resize:width=0,height=3", {"a whole number from 1 to 16384"});
  expect_complaint("rotate:angle=1,fill=256", {"from 0 to 255"});
  expect_complaint("rotate:angle", {"key 'angle' has no value"});
}

TEST(OpSpec, NamesKeysThatAreMissingOrTwice) {
  expect_complaint("rotate", {"key 'angle' is missing", "rotate:angle="});
  expect_complaint("rotate:fill=3", {"key 'angle' is missing"});
  expect_complaint("crop:x=1,y=2,width=3", {"key 'height' is missing"});
  expect_complaint("brightness", {"exactly one key of brightness:factor=|offset="});
  expect_complaint("brightness:factor=1,offset=1", {"exactly one key"});
  expect_complaint("shear", {"one or more keys"});
  expect_complaint("translate:fill=3", {"one or more keys"});
  expect_complaint("perspective:border=edge", {"one or more keys"});
  expect_complaint("gaussian_blur:sigma=2", {"key 'kernel_size' is missing"});
  expect_complaint("rotate:angle=1,angle=2", {"'angle' is given twice"});
}

TEST(OpSpec, ReadsPolicies) {
  const ParsedOp policy = samples::parse_op("randaugment:magnitude=12", samples::policy_specs());
  EXPECT_EQ(policy["num_ops"], 2.0);
  EXPECT_EQ(policy["magnitude"], 12.0);
  EXPECT_EQ(samples::parse_op("randaugment", samples::policy_specs())["magnitude"], 9.0);
  const auto complaint = [](std::string_view text) {
    return message_of<UsageError>([&] { samples::parse_op(text, samples::policy_specs()); });
  };
  EXPECT_NE(complaint("rand-augment").find("did you mean 'randaugment'?"), std::string::npos);
  EXPECT_NE(complaint("randaugment:magnitude=31").find("from 0 to 30"), std::string::npos);
}

TEST(OpSpec, HelpNamesEveryOperationWithItsKeys) {
  const std::string help = samples::help_of(samples::operation_specs());
  for (const samples::OpSpec& op : samples::operation_specs()) {
    EXPECT_NE(help.find("  " + op.name), std::string::npos) << op.name;
  }
  EXPECT_NE(help.find("rotate:angle=,interpolation=nearest|bilinear|bicubic,fill=0..255,border=fill|edge|reflect|wrap"),
            std::string::npos)
      << help;
  EXPECT_NE(help.find("posterize:bits=0..8"), std::string::npos) << help;
  for (const auto& [specs, part] : {std::pair{samples::policy_specs(), "augmix:severity=1..10"},
                                    std::pair{samples::mix_specs(), "cutmix_or_mixup:cutmix_alpha="}}) {
    EXPECT_NE(samples::help_of(specs).find(part), std::string::npos) << part;
  }
}

}  // namespace
}  // namespace leaven::test
