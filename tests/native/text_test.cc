#include "base/text.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace ttgen {
namespace {

TEST(Text, NumbersAsPythonWritesThem) {
  EXPECT_EQ(General(0.5), "0.5");
  EXPECT_EQ(General(3.0), "3");
  EXPECT_EQ(General(1e-7), "1e-07");
  EXPECT_EQ(General(-HUGE_VAL), "-inf");
  EXPECT_EQ(Repr(0.1), "0.1");
  EXPECT_EQ(Repr(3.0), "3.0");
  EXPECT_EQ(Repr(1e16), "1e+16");
  EXPECT_EQ(Repr(123456789012345.0), "123456789012345.0");
  EXPECT_EQ(Repr(1e-5), "1e-05");
  EXPECT_EQ(Repr(std::numeric_limits<double>::quiet_NaN()), "nan");
  EXPECT_EQ(Repr(HUGE_VAL), "inf");
}

TEST(Text, WordsAsPythonWritesThem) {
  EXPECT_EQ(Repr(std::string("a")), "'a'");
  EXPECT_EQ(Repr(std::string("it's")), "\"it's\"");
  EXPECT_EQ(Repr(std::string("'\"")), "'\\'\"'");
  EXPECT_EQ(Repr(std::string("a\nb\\")), "'a\\nb\\\\'");
  EXPECT_EQ(ListText({1, 2}), "[1, 2]");
  EXPECT_EQ(TupleText({1, 2}), "(1, 2)");
}

TEST(Text, Parts) {
  EXPECT_EQ(Join({"a", "b"}, ", "), "a, b");
  EXPECT_TRUE(StartsWith("tt.pack", "tt."));
  EXPECT_TRUE(EndsWith("gemm_reader", "_reader"));
  EXPECT_FALSE(EndsWith("a", "_reader"));
  EXPECT_EQ(RemovePrefix("tt.pack", "tt."), "pack");
  EXPECT_EQ(RemovePrefix("pack", "tt."), "pack");
  EXPECT_EQ(RemoveSuffix("k_tile", "_tile"), "k");
  EXPECT_EQ(RemoveSuffix("k", "_tile"), "k");
  EXPECT_EQ(AfterLast("a/b/c", '/'), "c");
  EXPECT_EQ(AfterLast("c", '/'), "c");
  EXPECT_EQ(BeforeFirst("Nt_1", '_'), "Nt");
  EXPECT_EQ(Strip(" a b\n"), "a b");
  EXPECT_EQ(Strip(" \n"), "");
  EXPECT_EQ(LastLine("a\nb\n"), "b");
  EXPECT_EQ(LastLine("a"), "a");
}

TEST(Text, NearestWordAsDifflibFindsIt) {
  EXPECT_EQ(NearestWord("row_mayor", {"row_major", "column_major"}), "row_major");
  EXPECT_EQ(NearestWord("memry", {"memory", "layout"}), "memory");
  EXPECT_EQ(NearestWord("xyz", {"memory", "layout"}), "");
  EXPECT_EQ(NearestWord("", {""}), "");
}

TEST(Text, DivisionTowardsMinusInfinity) {
  EXPECT_EQ(FloorDiv(-7, 2), -4);
  EXPECT_EQ(FloorMod(-7, 2), 1);
  EXPECT_EQ(FloorDiv(7, -2), -4);
  EXPECT_EQ(FloorDiv(6, 2), 3);
  EXPECT_EQ(CeilDiv(7, 2), 4);
  EXPECT_EQ(CeilDiv(-7, 2), -3);
}

}  // namespace
}  // namespace ttgen
