#include "passes/old_form.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace ttgen {
namespace {

const std::vector<int64_t> kShape = {64, 96};

/*! A layout in the old form and in ours, or what is said of it. */
struct OldForm {
  Value old;
  Value layout;
  std::string says;
};

class FromOld : public testing::TestWithParam<OldForm> {};

TEST_P(FromOld, AsInPython) {
  const auto& [old, layout, says] = GetParam();
  try {
    EXPECT_EQ(FromOldForm(old, kShape), layout) << FromOldForm(old, kShape).Repr();
    EXPECT_EQ(says, "");
  } catch (const LoweringError& error) {
    EXPECT_EQ(error.message, says);
  }
}

Value Dict(Value::Dict entries) { return entries; }

OldForm Means(Value::Dict old, Value::Dict layout) { return {Dict(old), Dict(layout), ""}; }

OldForm Refused(Value::Dict old, std::string says) { return {Dict(old), {}, std::move(says)}; }

INSTANTIATE_TEST_SUITE_P(
    Layouts, FromOld,
    testing::Values(
        Means({}, {}), Means({{"memory", "L1"}}, {{"memory", "L1"}}),
        Means({{"shard", "DDR"}, {"interleave", true}},
              {{"memory", "DRAM"}, {"layout", "interleaved"}}),
        Means({{"shard", "SRAM"}, {"interleave", false}},
              {{"memory", "L1"}, {"layout", "sharded"}}),
        Means({{"stride", Value::List{96, 1}}, {"tile_id_order", "row_major"}}, {}),
        Means({{"layout", "sharded"}, {"tile_id_order", "match_shard"}}, {{"layout", "sharded"}}),
        Means({{"nd_shard", Dict({{"grid", Value::List{2, 1}}})},
               {"tile_id_order", "column_major"}},
              {{"nd_shard", Dict({{"grid", Value::List{2, 1}}, {"order", "column_major"}})}}),
        Refused({{"shard", "tape"}}, "shard is 'tape'; it is one of: DRAM, DDR, L1, SRAM"),
        Refused({{"shard", "L1"}, {"memory", "DRAM"}},
                "shard means memory: L1, and memory is DRAM"),
        Refused({{"interleave", 1}}, "interleave is 1; it is True or False"),
        Refused({{"interleave", false}}, "interleave is False: a tensor in DRAM is interleaved"),
        Refused({{"stride", Value::List{1, 64}}},
                "stride is [1, 64]; a dense tensor of [64, 96] has [96, 1]"),
        Refused({{"tile_id_order", "match_shard"}},
                "tile_id_order is 'match_shard', which interleaved tensors cannot have"),
        Refused({{"layout", "sharded"}, {"tile_id_order", "z_order"}},
                "tile_id_order is 'z_order', which sharded tensors cannot have")));

}  // namespace
}  // namespace ttgen
