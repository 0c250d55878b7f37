#include "passes/work.h"

#include <algorithm>
#include <cctype>
#include <map>
#include <set>

#include "base/error.h"
#include "base/text.h"
#include "base/utilities.h"

namespace ttgen {
namespace {

constexpr char kForm[] =
    R"form(give {"(x, y)": [{"io": row, "jo": column}, …]}, rows and columns in tiles)form";
/*! Digits of a number that fits in int64_t whatever they are. */
constexpr size_t kDigits = 18;

/*! Reads what stands in a text, one thing after the other. */
class TextReader {
 public:
  explicit TextReader(const std::string& text) : text_(text) {}

  bool IsAtEnd() const { return at_ == text_.size(); }
  /*! Whether `letter` is next; goes past it then. */
  bool Take(char letter) {
    if (IsAtEnd() || text_[at_] != letter) return false;
    ++at_;
    return true;
  }
  void SkipSpace() {
    while (!IsAtEnd() && std::isspace(static_cast<unsigned char>(text_[at_]))) ++at_;
  }
  std::optional<int64_t> Number() {
    const size_t start = at_;
    while (!IsAtEnd() && std::isdigit(static_cast<unsigned char>(text_[at_]))) ++at_;
    if (at_ == start || at_ - start > kDigits) return std::nullopt;
    return std::stoll(text_.substr(start, at_ - start));
  }

 private:
  const std::string& text_;
  size_t at_ = 0;
};

/*! A core as a key has it: "(x, y)", the parentheses may be left out. */
std::optional<Grid> ReadCore(const std::string& key) {
  TextReader reader(key);
  reader.Take('(');
  reader.SkipSpace();
  auto x = reader.Number();
  reader.SkipSpace();
  if (!x || !reader.Take(',')) return std::nullopt;
  reader.SkipSpace();
  auto y = reader.Number();
  reader.SkipSpace();
  reader.Take(')');
  if (!y || !reader.IsAtEnd()) return std::nullopt;
  return Grid{*x, *y};
}

bool IsItem(const Value& item) {
  static const std::set<std::string> known = {"io", "jo", "len_k", "tile_order"};
  if (!item.IsDict() || !item.Has("io") || !item.Has("jo")) return false;
  for (const auto& [key, value] : item.Entries()) {
    if (!known.count(key) || (key != "tile_order" && !value.IsInt())) return false;
  }
  return true;
}

WorkItem ReadItem(const Grid& core, const Value& item) {
  if (!IsItem(item)) {
    throw LoweringError("the work of core " + TupleText(core) + " has the item " + item.Repr(),
                        std::nullopt, kForm);
  }
  WorkItem found{item["io"].Int(), item["jo"].Int(), std::nullopt, std::nullopt};
  if (auto len_k = item.Find("len_k")) found.len_k = len_k->Int();
  auto order = item.Find("tile_order");
  if (order && !order->IsNone()) found.tile_order = order->Str();
  return found;
}

/*! LoweringError at an item that is no whole output tile of `tiles`. */
void CheckItem(const Grid& core, const WorkItem& item, const Grid& tiles, int64_t len_k) {
  const Grid place = {item.io, item.jo};
  const bool is_inside =
      0 <= item.io && item.io < tiles.first && 0 <= item.jo && item.jo < tiles.second;
  if (!is_inside) {
    throw LoweringError("core " + TupleText(core) + " has output tile " + TupleText(place) +
                        "; there are " + ByText(tiles));
  }
  if (item.len_k.value_or(len_k) != len_k) {
    throw LoweringError("core " + TupleText(core) + " reduces output tile " + TupleText(place) +
                            " over " + std::to_string(*item.len_k) + " tiles of " +
                            std::to_string(len_k),
                        std::nullopt, "one core reduces an output tile whole");
  }
}

/*! An order of tiles, and its block (rows, columns), if it has one. */
using OrderWithBlock = std::pair<std::string, std::optional<Grid>>;

/*! The block as large as the first core's work: rectangles are walked like shards. */
std::optional<Grid> EvenBlock(const Work& work) {
  auto first = std::find_if(work.begin(), work.end(),
                            [](const auto& entry) { return !entry.second.empty(); });
  if (first == work.end()) return std::nullopt;
  const auto& items = first->second;
  const auto by_row = [](const WorkItem& a, const WorkItem& b) { return a.io < b.io; };
  const auto by_column = [](const WorkItem& a, const WorkItem& b) { return a.jo < b.jo; };
  const auto [top, bottom] = std::minmax_element(items.begin(), items.end(), by_row);
  const auto [left, right] = std::minmax_element(items.begin(), items.end(), by_column);
  const Grid block = {bottom->io - top->io + 1, right->jo - left->jo + 1};
  if (Product(block) != static_cast<int64_t>(items.size())) return std::nullopt;
  return block;
}

/*! The order that the items name; LoweringError at several, and at one that is not known. */
std::optional<std::string> NamedOrder(const Work& work) {
  std::set<std::string> named;
  for (const auto& entry : work) {
    for (const WorkItem& item : entry.second) {
      if (item.tile_order) named.insert(*item.tile_order);
    }
  }
  const auto& known = TileOrderNames();
  for (const std::string& name : named) {
    if (std::find(known.begin(), known.end(), name) == known.end()) {
      throw LoweringError("unknown tile_order '" + name + "'; known: " + Join(known, ", "));
    }
  }
  if (named.size() > 1) {
    throw LoweringError("the work partition is in several orders: " +
                        Join({named.begin(), named.end()}, ", "));
  }
  return named.empty() ? std::nullopt : std::make_optional(*named.begin());
}

/*! The orders that the items may be in: the one that they name, or else any. */
std::vector<OrderWithBlock> OrdersOf(const Work& work, const Grid& tiles,
                                     const std::optional<Grid>& shard) {
  const auto named = NamedOrder(work);
  std::map<std::string, std::vector<Grid>> blocks;
  for (int64_t rows = 1; rows <= tiles.first; ++rows) {
    blocks["block"].emplace_back(rows, tiles.second);
  }
  blocks["match_shard"];
  blocks["column_blocks"];
  if (shard) blocks["match_shard"].push_back(*shard);
  if (auto even = EvenBlock(work)) {
    blocks["match_shard"].push_back(*even);
    blocks["column_blocks"].push_back(*even);
  }
  std::vector<OrderWithBlock> orders;
  for (const std::string& name : named ? std::vector{*named} : TileOrderNames()) {
    auto found = blocks.find(name);
    if (found == blocks.end()) {
      orders.emplace_back(name, std::nullopt);
    } else {
      for (const Grid& block : found->second) orders.emplace_back(name, block);
    }
  }
  return orders;
}

/*! `items` as a run of numbers in an order; nothing where they are none. */
std::optional<Share> AsShare(const Grid& core, const std::vector<WorkItem>& items,
                             const OrderWithBlock& order, const Grid& tiles) {
  if (items.empty()) return Share{core, 0, 0};
  const auto number = [&](const WorkItem& item) {
    return CalculateTileId({item.io, item.jo}, order.first, tiles, order.second);
  };
  const int64_t start = number(items.front());
  int64_t next = start;
  for (const WorkItem& item : items) {
    if (number(item) != next++) return std::nullopt;
  }
  return Share{core, start, static_cast<int64_t>(items.size())};
}

/*! The shares of all cores in an order; nothing where it has not the work of each as a run. */
std::optional<std::vector<Share>> SharesIn(const OrderWithBlock& order, const Work& work,
                                           const Grid& tiles) {
  std::vector<Share> shares;
  for (const auto& [core, items] : work) {
    auto share = AsShare(core, items, order, tiles);
    if (!share) return std::nullopt;
    shares.push_back(*share);
  }
  return shares;
}

}  // namespace

Work ReadWork(const Value& given) {
  if (!given.IsDict()) {
    throw LoweringError("a work partition maps cores to their output tiles", std::nullopt, kForm);
  }
  Work work;
  std::set<Grid> seen;
  for (const auto& [key, items] : given.Entries()) {
    const auto core = ReadCore(key);
    if (!core) {
      throw LoweringError("the work partition has the key '" + key + "', no core", std::nullopt,
                          kForm);
    }
    if (!seen.insert(*core).second) {
      throw LoweringError("the work partition lists core " + TupleText(*core) + " twice");
    }
    if (!items.IsList()) {
      throw LoweringError(
          "the work of core " + TupleText(*core) + " is " + items.Repr() + ", no list",
          std::nullopt, kForm);
    }
    work.emplace_back(*core, std::vector<WorkItem>());
    for (const Value& item : items.Items()) work.back().second.push_back(ReadItem(*core, item));
  }
  return work;
}

void CheckCover(const Work& work, const Grid& tiles, int64_t len_k) {
  std::vector<const Grid*> taken(Product(tiles));
  size_t count = 0;
  for (const auto& [core, items] : work) {
    for (const WorkItem& item : items) {
      CheckItem(core, item, tiles, len_k);
      const Grid*& owner = taken[item.io * tiles.second + item.jo];
      if (owner) {
        const std::string who = *owner == core
                                    ? "core " + TupleText(core)
                                    : "cores " + TupleText(*owner) + " and " + TupleText(core);
        throw LoweringError("output tile " + TupleText({item.io, item.jo}) +
                            " is given twice, to " + who);
      }
      owner = &core;
      ++count;
    }
  }
  if (count == taken.size()) return;
  const int64_t lost = std::find(taken.begin(), taken.end(), nullptr) - taken.begin();
  throw LoweringError("output tile " + TupleText({lost / tiles.second, lost % tiles.second}) +
                      " is given to no core; " + std::to_string(taken.size() - count) + " of " +
                      std::to_string(taken.size()) + " are lost");
}

Dealt DealtOf(const Work& work, const Grid& tiles, const std::optional<Grid>& shard) {
  for (const OrderWithBlock& order : OrdersOf(work, tiles, shard)) {
    if (auto shares = SharesIn(order, work, tiles)) return {order.first, order.second, *shares};
  }
  throw LoweringError("the work partition is in no order of tiles that cores can walk",
                      std::nullopt,
                      "each core has a run of tiles of one of: " + Join(TileOrderNames(), ", "));
}

std::vector<CoreRange> RangesOf(std::vector<Grid> cores) {
  std::sort(cores.begin(), cores.end(), [](const Grid& a, const Grid& b) {
    return Grid{a.second, a.first} < Grid{b.second, b.first};
  });
  std::vector<CoreRange> ranges;
  for (const Grid& core : cores) {
    CoreRange* last = ranges.empty() ? nullptr : &ranges.back();
    const bool is_next = last && last->start.second == core.second &&
                         last->start.first + last->extent.first == core.first;
    if (is_next) {
      ++last->extent.first;
    } else {
      ranges.push_back({core, {1, 1}});
    }
  }
  return ranges;
}

}  // namespace ttgen
