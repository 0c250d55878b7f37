// Every pass on modules that Python has written down with what its twin makes of them.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/ir.h"
#include "base/value.h"

namespace ttgen {
namespace {

/*! A file of cases: each a Map of pass, options, before, and after or error. */
class Cases : public testing::TestWithParam<std::filesystem::path> {};

Array<Any> Read(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return Global("ffi.FromJSONGraphString")(String(text.str())).cast<Array<Any>>();
}

void ExpectSame(const AttrMap& given, const Any& made) {
  if (given.count("error")) {
    EXPECT_EQ(Value::Of(made), Value::Of(given["error"])) << Value::Of(made).Repr();
    return;
  }
  ASSERT_TRUE(As<tir::IRModule>(made)) << Value::Of(made).Repr();
  EXPECT_TRUE(StructuralEqual(made, given["after"]));
  EXPECT_EQ(Script(made), Script(given["after"]));
}

TEST_P(Cases, AsInPython) {
  for (const Any& item : Read(GetParam())) {
    AttrMap given = item.cast<AttrMap>();
    std::string pass = given["pass"].cast<String>();
    SCOPED_TRACE(pass + " of " + std::string(given["name"].cast<String>()));
    Any made = Global("tir.tenstorrent." + pass + ".run")(given["before"], given["options"]);
    ExpectSame(given, made);
  }
}

std::vector<std::filesystem::path> Files() {
  const char* folder = std::getenv("TTGEN_CASES");
  std::vector<std::filesystem::path> files;
  if (!folder) return files;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() == ".json") files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

std::string NameOfFile(const testing::TestParamInfo<std::filesystem::path>& info) {
  std::string name = info.param.stem();
  std::replace_if(name.begin(), name.end(), [](char c) { return !std::isalnum(c); }, '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(Python, Cases, testing::ValuesIn(Files()), NameOfFile);

// Without files there is nothing to compare: a run of single units.
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(Cases);

TEST(Pass, IsATvmPass) {
  Any pass = Global("tir.tenstorrent.VerifyTTIR")(Map<String, Any>());
  Any module = Any(MakeModule({}));
  Any made = Global("transform.RunPass")(pass, module);
  EXPECT_TRUE(StructuralEqual(made, module));
}

}  // namespace
}  // namespace ttgen
