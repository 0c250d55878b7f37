#include "plan/validate.h"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include "base/text.h"
#include "plan/pages.h"
#include "plan/protocol.h"
#include "plan/shards.h"
#include "plan/work_rules.h"

namespace ttgen::plan {
namespace {

/*! Whether a path in a POSIX file system stays below where it begins. */
bool IsRelative(const std::string& path) {
  if (StartsWith(path, "/")) return false;
  for (size_t begin = 0; begin <= path.size();) {
    const size_t end = std::min(path.find('/', begin), path.size());
    if (path.compare(begin, end - begin, "..") == 0) return false;
    begin = end + 1;
  }
  return true;
}

Verdict Paths(const Plan& plan) {
  if (!IsRelative(plan.source)) {
    return Violation{"source.path", "'" + plan.source + "' must be a path below the project"};
  }
  for (size_t i = 0; i < plan.tensors.size(); ++i) {
    const std::string at = plan.tensors[i].at.Str();
    if (IsRelative(at)) continue;
    return Violation{ItemPath("tensors", i, "at"), "'" + at + "' must be below the project"};
  }
  return std::nullopt;
}

Verdict UniqueNames(const Plan& plan) {
  std::set<std::string> seen;
  for (size_t i = 0; i < plan.circular_buffers.size(); ++i) {
    const std::string& name = plan.circular_buffers[i].name;
    if (seen.insert(name).second) continue;
    return Violation{ItemPath("circular_buffers", i, "name"), "'" + name + "' appears twice"};
  }
  return std::nullopt;
}

// Tensors ----------------------------------------------------------------------------------------

std::string UnknownFormat(const std::string& name) {
  auto text = [](const Format& format) { return format.name; };
  return "'" + name + "' is not a data format; known: " + JoinMap(Formats(), ", ", text);
}

/*! Whether the order is one of the tensor's dimensions; what is not moved has none. */
bool IsOrder(const Tensor& tensor) {
  if (!tensor.layout.order) return true;
  std::vector<int64_t> sorted = tensor.Order();
  const bool is_moved = !std::is_sorted(sorted.begin(), sorted.end());
  std::sort(sorted.begin(), sorted.end());
  bool is_whole = sorted.size() == tensor.shape.size();
  for (size_t i = 0; i < sorted.size(); ++i) is_whole = is_whole && sorted[i] == int64_t(i);
  return is_moved && is_whole && tensor.device_shape.size() == tensor.shape.size();
}

Verdict Shards(const Plan& plan, const Tensor& tensor, const std::string& path) {
  const Layout& layout = tensor.layout;
  if ((layout.layout == "sharded") != layout.nd_shard.has_value()) {
    return Violation{path, "nd_shard belongs to a sharded layout, and only there"};
  }
  if (!layout.nd_shard) return std::nullopt;
  if (layout.memory != "L1") {
    return Violation{path + ".memory", "sharded tensors lie in L1, not in " + layout.memory};
  }
  TVM_FFI_ICHECK(!tensor.padded_shape.empty()) << "a tensor in shards has rows and columns";
  auto fault = ShardProblem(*layout.nd_shard, Matrix(tensor.padded_shape), layout.tile_shape,
                            plan.arch->grid);
  if (!fault) return std::nullopt;
  return Violation{path + ".nd_shard." + fault->field, fault->problem};
}

/*! Extents that are not 1. */
std::vector<int64_t> LongOnes(std::vector<int64_t> extents) {
  auto is_one = [](int64_t extent) { return extent == 1; };
  extents.erase(std::remove_if(extents.begin(), extents.end(), is_one), extents.end());
  return extents;
}

Verdict Padding(const Tensor& tensor, const std::string& path) {
  const std::vector<int64_t>& device = tensor.device_shape;
  if (device.size() < 2) {
    return Violation{path + ".device_shape", "the device holds tiles: at least two dimensions"};
  }
  std::vector<int64_t> shape;
  for (int64_t position : tensor.Order()) shape.push_back(tensor.shape.at(position));
  if (LongOnes(device) != LongOnes(shape)) {
    return Violation{path + ".device_shape", ListText(device) + " is not the shape " +
                                                 ListText(shape) + " with extents of 1 added"};
  }
  const Grid& tile = tensor.layout.tile_shape;
  std::vector<int64_t> wanted = device;
  int64_t& rows = wanted[wanted.size() - 2];
  int64_t& columns = wanted.back();
  rows = CeilDiv(rows, tile.first) * tile.first;
  columns = CeilDiv(columns, tile.second) * tile.second;
  if (tensor.padded_shape == wanted) return std::nullopt;
  return Violation{path + ".padded_shape", ListText(device) + " in whole " + ByText(tile) +
                                               " tiles is " + ListText(wanted)};
}

/*! Pages are tiles or rows. */
Verdict Pages(const Tensor& tensor, const std::string& path) {
  const Layout& layout = tensor.layout;
  const Format& format = *FindFormat(layout.dtype);
  int64_t pages = tensor.Tiles(), page_bytes = format.tile_bytes;
  std::vector<int64_t> shape = tensor.padded_shape;
  if (layout.page == "row") {
    if (layout.nd_shard || format.kind == "block") {
      return Violation{path + ".layout.page", "shards and block formats are made of tiles"};
    }
    shape = tensor.device_shape;
    pages = Product(shape) / shape.back();
    page_bytes = shape.back() * format.value_bytes;
  }
  if (tensor.page_bytes != page_bytes) {
    return Violation{path + ".page_bytes", "a " + layout.dtype + " " + layout.page + " is " +
                                               std::to_string(page_bytes) + " bytes"};
  }
  if (tensor.pages == pages) return std::nullopt;
  return Violation{path + ".pages",
                   ListText(shape) + " is " + std::to_string(pages) + " " + layout.page + "s"};
}

Verdict OfTensor(const Plan& plan, const Tensor& tensor, const std::string& path) {
  if (!FindFormat(tensor.layout.dtype)) {
    return Violation{path + ".layout.dtype", UnknownFormat(tensor.layout.dtype)};
  }
  if (!IsOrder(tensor)) {
    return Violation{path + ".layout.order", "it has each of the " +
                                                 std::to_string(tensor.shape.size()) +
                                                 " dimensions once, moved, and no other"};
  }
  if (Verdict broken = Shards(plan, tensor, path + ".layout")) return broken;
  if (Verdict broken = Padding(tensor, path)) return broken;
  return Pages(tensor, path);
}

Verdict Tensors(const Plan& plan) {
  for (size_t i = 0; i < plan.tensors.size(); ++i) {
    if (Verdict broken = OfTensor(plan, plan.tensors[i], ItemPath("tensors", i))) return broken;
  }
  return std::nullopt;
}

// Circular buffers and L1 ------------------------------------------------------------------------

Verdict OfBuffer(const Plan& plan, const CircularBuffer& cb, const std::string& path) {
  const Tensor* tensor = cb.tensor ? plan.FindTensor(*cb.tensor) : nullptr;
  if (cb.tensor && !tensor) {
    return Violation{path + ".tensor", "there is no tensor '" + *cb.tensor + "'"};
  }
  const Format* format = FindFormat(cb.dtype);
  if (!format) return Violation{path + ".dtype", UnknownFormat(cb.dtype)};
  if (cb.page_bytes != format->tile_bytes) {
    return Violation{path + ".page_bytes",
                     "a " + cb.dtype + " tile is " + std::to_string(format->tile_bytes) + " bytes"};
  }
  if (!tensor || cb.dtype == tensor->layout.dtype) return std::nullopt;
  return Violation{path + ".dtype", "tensor '" + tensor->name + "' is " + tensor->layout.dtype +
                                        ", and pages are copied as they are"};
}

Verdict CircularBuffers(const Plan& plan) {
  for (size_t i = 0; i < plan.circular_buffers.size(); ++i) {
    const std::string path = ItemPath("circular_buffers", i);
    if (Verdict broken = OfBuffer(plan, plan.circular_buffers[i], path)) return broken;
  }
  return std::nullopt;
}

Verdict OfPageBytes(const Architecture& arch, const std::string& memory, const std::string& name,
                    int64_t page_bytes, const std::string& path) {
  const int64_t step = arch.Alignment(memory);
  if (page_bytes % step == 0) return std::nullopt;
  return Violation{path + ".page_bytes",
                   "pages of '" + name + "' are " + std::to_string(page_bytes) + " bytes; " +
                       memory + " of " + arch.name + " takes multiples of " + std::to_string(step)};
}

/*! The NoC moves pages from memory to memory only where both lie as it wants them. */
Verdict Alignment(const Plan& plan) {
  for (size_t i = 0; i < plan.tensors.size(); ++i) {
    const Tensor& tensor = plan.tensors[i];
    if (tensor.layout.page != "tile") continue;  // tt-metal leaves gaps between rows that need them
    Verdict broken = OfPageBytes(*plan.arch, tensor.layout.memory, tensor.name, tensor.page_bytes,
                                 ItemPath("tensors", i));
    if (broken) return broken;
  }
  for (size_t i = 0; i < plan.circular_buffers.size(); ++i) {
    const CircularBuffer& cb = plan.circular_buffers[i];
    Verdict broken =
        OfPageBytes(*plan.arch, "L1", cb.name, cb.page_bytes, ItemPath("circular_buffers", i));
    if (broken) return broken;
  }
  return std::nullopt;
}

/*! What is in L1, by name, with its bytes. */
using Sizes = std::vector<std::pair<std::string, int64_t>>;

int64_t Total(const Sizes& sizes) {
  int64_t total = 0;
  for (const auto& [name, bytes] : sizes) total += bytes;
  return total;
}

/*! The circular buffers, and then the tensors that take any. */
Sizes InL1(const Plan& plan, const Sizes& tensors) {
  Sizes sizes;
  for (const CircularBuffer& cb : plan.circular_buffers) {
    sizes.emplace_back(cb.name + "_cb", cb.page_bytes * cb.pages);
  }
  for (const auto& tensor : tensors) {
    if (tensor.second != 0) sizes.push_back(tensor);
  }
  return sizes;
}

Verdict L1(const Plan& plan) {
  Sizes tensors;
  for (const Tensor& tensor : plan.tensors) {
    tensors.emplace_back(tensor.name,
                         L1Bytes(tensor.layout, tensor.pages, tensor.page_bytes, plan.arch->grid));
  }
  if (plan.l1_tensor_bytes != Total(tensors)) {
    return Violation{"l1.tensor_bytes",
                     "tensors take " + std::to_string(Total(tensors)) + " bytes"};
  }
  Sizes sizes = InL1(plan, tensors);
  const std::string used = std::to_string(Total(sizes));
  if (plan.l1_used_bytes != Total(sizes)) {
    return Violation{"l1.used_bytes",
                     "the circular buffers and the tensors in L1 take " + used + " bytes"};
  }
  if (Total(sizes) <= plan.arch->l1_bytes) return std::nullopt;
  std::stable_sort(sizes.begin(), sizes.end(),
                   [](const auto& one, const auto& other) { return one.second > other.second; });
  sizes.resize(std::min<size_t>(sizes.size(), 4));
  auto text = [](const auto& one) { return one.first + " " + std::to_string(one.second); };
  return Violation{"l1", used + " bytes do not fit " + std::to_string(plan.arch->l1_bytes) +
                             "; the largest: " + JoinMap(sizes, ", ", text)};
}

// Programs ---------------------------------------------------------------------------------------

/*! What a constant of a program must be, by its name. */
using Known = std::map<std::string, int64_t>;

/*! Mt and Nt are the output's; what else is said in several programs is so as in the first. */
Known KnownConstants(const Plan& plan) {
  Known known;
  for (const Program& program : plan.programs) {
    for (const auto& [name, value] : program.constants) known.emplace(name, value);
  }
  for (const Tensor& tensor : plan.tensors) {
    if (tensor.role != "output") continue;
    const std::vector<int64_t>& padded = tensor.padded_shape;
    known["Mt"] = padded[padded.size() - 2] / tensor.layout.tile_shape.first;
    known["Nt"] = padded.back() / tensor.layout.tile_shape.second;
  }
  if (plan.partition.block) {
    std::tie(known["Sm"], known["Sn"]) = *plan.partition.block;
    std::tie(known["Gy"], known["Gx"]) = ShardCount(plan.partition.tiles, *plan.partition.block);
  }
  return known;
}

/*! What is wrong with a constant, "" where nothing is. Kt is one reduction's, maybe a short one. */
std::string ConstantProblem(const std::string& name, int64_t value, int64_t known, int64_t len_k) {
  static const std::set<std::string> of_output = {"Mt", "Nt"};
  static const std::set<std::string> of_partition = {"Sm", "Sn", "Gy", "Gx"};
  if (value < 1 || (name == "Kt" && value > len_k)) {
    return "the partition says " + std::to_string(len_k);
  }
  if (known == value) return "";
  const std::string wanted = std::to_string(known);
  if (of_output.count(name)) return "the output has " + wanted + " tiles there";
  if (of_partition.count(name)) return "the partition gives " + wanted;
  return "and " + wanted + " in another program";
}

Verdict Constants(const Plan& plan, const Program& program, const Known& known,
                  const std::string& path) {
  for (size_t i = 0; i < program.constants.size(); ++i) {
    const auto& [name, value] = program.constants[i];
    const std::string problem = ConstantProblem(name, value, known.at(name), plan.partition.len_k);
    if (problem.empty()) continue;
    return Violation{ItemPath(path + ".constants", i),
                     name + " is " + std::to_string(value) + ", " + problem};
  }
  return std::nullopt;
}

/*! Whether a body defines a variable once in its scope, and its operations stand where they may. */
class BodyChecker {
 public:
  /*! `scope`: the names that are defined before. */
  explicit BodyChecker(std::vector<std::string> scope) : scope_(std::move(scope)) {}

  Verdict Check(const Body& body, const std::string& path) {
    const size_t outside = scope_.size();
    for (size_t i = 0; i < body.size(); ++i) {
      auto check = [&](const auto& node) { return Check(node, path, i); };
      if (Verdict broken = std::visit(check, body[i].node)) return broken;
    }
    scope_.resize(outside);
    return std::nullopt;
  }

 private:
  Verdict Check(const Let& let, const std::string& path, size_t position) {
    return Define(let.var.name, path, position);
  }

  Verdict Check(const For& loop, const std::string& path, size_t position) {
    if (Verdict broken = Define(loop.var.name, path, position)) return broken;
    if (Verdict broken = Check(loop.body, ItemPath(path, position, "body"))) return broken;
    scope_.pop_back();
    return std::nullopt;
  }

  Verdict Check(const Op& op, const std::string& path, size_t position) {
    if (IsRelative(op.AtText())) return std::nullopt;
    return Violation{ItemPath(path, position, "at"),
                     "'" + op.AtText() + "' must be below the project"};
  }

  /*! In C++ a second definition is an error, or hides the first. */
  Verdict Define(const std::string& name, const std::string& path, size_t position) {
    if (std::find(scope_.begin(), scope_.end(), name) != scope_.end()) {
      return Violation{ItemPath(path, position, "var"), "'" + name + "' is defined twice"};
    }
    scope_.push_back(name);
    return std::nullopt;
  }

  std::vector<std::string> scope_;
};

/*! Arguments and body of a program define each name once. */
Verdict Definitions(const Program& program, const std::string& path) {
  std::vector<std::string> names;
  for (const auto& [name, value] : program.constants) names.push_back(name);
  names.insert(names.end(), program.argument_names.begin(), program.argument_names.end());
  std::set<std::string> seen;
  for (const std::string& name : names) {
    if (!seen.insert(name).second) return Violation{path, "'" + name + "' is defined twice"};
  }
  return BodyChecker(std::move(names)).Check(program.body, path + ".body");
}

Verdict OfProgram(const Plan& plan, const Program& program, const Known& known) {
  const std::string path = "programs." + program.name;
  for (size_t i = 0; i < program.tensors.size(); ++i) {
    if (plan.FindTensor(program.tensors[i])) continue;
    return Violation{ItemPath(path + ".tensors", i),
                     "there is no tensor '" + program.tensors[i] + "'"};
  }
  if (Verdict broken = Constants(plan, program, known, path)) return broken;
  return Definitions(program, path);
}

Verdict Programs(const Plan& plan) {
  const Known known = KnownConstants(plan);
  for (const Program& program : plan.programs) {
    if (Verdict broken = OfProgram(plan, program, known)) return broken;
  }
  return std::nullopt;
}

}  // namespace

Verdict FirstViolation(const Plan& plan) {
  using Rule = Verdict (*)(const Plan& plan);
  static constexpr Rule kRules[] = {Paths,     UniqueNames, Tensors,   CircularBuffers,
                                    Alignment, L1,          Cores,     Work,
                                    Order,     Programs,    Protocols, PagesTouched};
  for (Rule rule : kRules) {
    if (Verdict broken = rule(plan)) return broken;
  }
  return std::nullopt;
}

}  // namespace ttgen::plan
