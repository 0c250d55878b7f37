#include "base/tables.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "base/error.h"

namespace ttgen {
namespace {

constexpr double kNothing = std::numeric_limits<double>::quiet_NaN();

/*! An operation of numbers, and what it gives; NaN where it gives none. */
struct Folding {
  const char* op;
  std::vector<double> of;
  double gives;
};

class Folded : public testing::TestWithParam<Folding> {};

TEST_P(Folded, AsInPython) {
  std::optional<double> made = VectorRow(GetParam().op).Folded(GetParam().of);
  if (std::isnan(GetParam().gives)) {
    EXPECT_FALSE(made.has_value());
  } else {
    ASSERT_TRUE(made.has_value());
    EXPECT_DOUBLE_EQ(*made, GetParam().gives);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Vector, Folded,
    testing::Values(Folding{"relu", {-2}, 0}, Folding{"abs", {-2}, 2}, Folding{"exp", {0}, 1},
                    Folding{"exp", {1e4}, kNothing}, Folding{"log", {0}, kNothing},
                    Folding{"log", {-1}, kNothing}, Folding{"sqrt", {4}, 2},
                    Folding{"rsqrt", {4}, 0.5}, Folding{"rsqrt", {0}, kNothing},
                    Folding{"recip", {4}, 0.25}, Folding{"recip", {0}, kNothing},
                    Folding{"sigmoid", {-800}, 0}, Folding{"sigmoid", {0}, 0.5},
                    Folding{"floor", {-0.5}, -1}, Folding{"ceil", {-0.5}, 0},
                    Folding{"floor", {HUGE_VAL}, kNothing}, Folding{"max", {1, 2}, 2},
                    Folding{"min", {1, 2}, 1}, Folding{"lt", {1, 2}, 1}, Folding{"gez", {-1}, 0},
                    Folding{"where", {0, 1, 2}, 2}, Folding{"where", {-0.0, 1, 2}, 1},
                    Folding{"pow", {2, 3}, 8}, Folding{"pow", {0, -1}, kNothing},
                    Folding{"pow", {-8, 0.5}, kNothing}));

TEST(Tables, VectorOperations) {
  EXPECT_EQ(VectorCall("fabs")->name, "abs");
  EXPECT_EQ(VectorCall("nothing"), nullptr);
  EXPECT_EQ(VectorCall(""), nullptr);
  EXPECT_EQ(Exchanged("lt"), "gt");
  EXPECT_EQ(Exchanged("add"), "");
  EXPECT_TRUE(IsTruth("ltz"));
  EXPECT_FALSE(IsTruth("exp"));
  EXPECT_EQ(NearestOp("tan"), "sin and cos");
  EXPECT_THROW(VectorRow("nothing"), std::out_of_range);
  EXPECT_FALSE(VectorRows().empty());
}

TEST(Tables, TileOperations) {
  const TileOp* op = FindTileOp("matmul_tiles");
  ASSERT_NE(op, nullptr);
  EXPECT_EQ(op->dst, std::vector<std::string>{"dst"});
  EXPECT_EQ(ArgKindText(op->params[0].second), "circular buffer");
  EXPECT_EQ(FindTileOp("nothing"), nullptr);
  EXPECT_EQ(FindTileMath("reduce")->uninit, "reduce_uninit");
  EXPECT_EQ(FindTileMath("nothing"), nullptr);
  EXPECT_EQ(WordsOf(ArgKind::kPool), (std::vector<std::string>{"SUM", "MAX"}));
}

TEST(Tables, Formats) {
  EXPECT_EQ(FormatOfDtype("bfloat16")->name, "bf16");
  EXPECT_EQ(FormatOfDtype("bool"), nullptr);
  EXPECT_EQ(FindFormat("nothing"), nullptr);
  EXPECT_EQ(WorkingFormat({"bf16", "bfp8_b"}).name, "bf16");
  EXPECT_EQ(WorkingFormat({"bf16", "fp32"}).name, "fp32");
  EXPECT_EQ(WorkingFormat({"int32"}).name, "int32");
  EXPECT_EQ(NearestBf16(1.0 + 1.0 / 256), 1.0);
  EXPECT_EQ(NearestBf16(1.0 + 3.0 / 256), 1.0 + 1.0 / 64);
}

TEST(Tables, Architectures) {
  EXPECT_EQ(ArchitectureOf("blackhole").Alignment("DRAM"), 64);
  EXPECT_EQ(ArchitectureOf("wormhole_b0").DstTiles(true, false), 4);
  EXPECT_EQ(ArchitectureOf("wormhole_b0").DstTiles(false, true), 16);
  for (const char* name : {"grayskull", "nothing"}) {
    try {
      ArchitectureOf(name);
      FAIL();
    } catch (const TTError& error) {
      EXPECT_NE(error.message.find(name), std::string::npos);
    }
  }
}

}  // namespace
}  // namespace ttgen
