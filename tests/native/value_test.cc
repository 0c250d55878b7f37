#include "base/value.h"

#include <gtest/gtest.h>

#include <stdexcept>

#include "base/attrs.h"

namespace ttgen {
namespace {

TEST(Value, ComesBackFromTvm) {
  Value value = Value::Dict{{"none", nullptr},
                            {"yes", true},
                            {"whole", 3},
                            {"half", 0.5},
                            {"text", "a"},
                            {"list", Value::List{1, "b"}},
                            {"pair", Value(std::pair<int64_t, int64_t>{1, 2})}};
  EXPECT_EQ(Value::Of(value.ToAny()), value);
}

TEST(Value, ConstantsAreWhatTheyAreConstantsOf) {
  EXPECT_EQ(Value::Of(Any(Int(7))), Value(7));
  EXPECT_EQ(Value::Of(Any(Text("word"))), Value("word"));
}

TEST(Value, WhatIsNoPlainValueStaysANode) {
  Any var = Any(MakeVar("i"));
  Value value = Value::Of(var);
  EXPECT_TRUE(value.ToAny().same_as(var));
  EXPECT_EQ(value.Repr(), "i");
  EXPECT_EQ(value, Value::Of(var));
}

TEST(Value, NumbersAreComparedAsInPython) {
  EXPECT_EQ(Value(1), Value(1.0));
  EXPECT_EQ(Value(true), Value(1));
  EXPECT_NE(Value(1), Value("1"));
  EXPECT_NE(Value(), Value(0));
}

TEST(Value, DictsKeepTheirOrder) {
  Value dict;
  dict.Set("b", 1);
  dict.Set("a", 2);
  dict.Set("b", 3);
  EXPECT_EQ(dict.Repr(), "{'b': 3, 'a': 2}");
  dict.Erase("b");
  dict.Erase("c");
  EXPECT_EQ(dict.Str(), "{'a': 2}");
  EXPECT_THROW(dict["b"], std::out_of_range);
  EXPECT_EQ(dict.Find("b"), nullptr);
  EXPECT_EQ(Value("text").Find("b"), nullptr);
}

TEST(Value, IsWrittenAsInPython) {
  Value list;
  list.Append(nullptr);
  list.Append(false);
  list.Append(1.0);
  list.Append("it");
  EXPECT_EQ(list.Repr(), "[None, False, 1.0, 'it']");
  EXPECT_EQ(Value("it").Str(), "it");
}

TEST(Value, DictsOfTheSameEntriesAreEqual) {
  Value one = Value::Dict{{"a", 1}, {"b", 2}}, other = Value::Dict{{"b", 2}, {"a", 1}};
  EXPECT_EQ(one, other);
  other.Set("c", 3);
  EXPECT_NE(one, other);
  EXPECT_NE(one, Value(Value::Dict{{"a", 1}, {"c", 2}}));
}

}  // namespace
}  // namespace ttgen
