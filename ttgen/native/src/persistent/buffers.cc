#include "persistent/buffers.h"

#include <algorithm>
#include <cstring>
#include <set>

#include "base/attrs.h"
#include "base/error.h"
#include "base/tables.h"
#include "base/text.h"
#include "persistent/ir.h"

namespace ttgen {
namespace {

/*! Circular buffers by name, in the order in which names came first. */
class NamedBuffers {
 public:
  /*! `buffer` in the place of the one that has its name, or at the end. */
  void Put(CircularBuffer buffer) {
    auto same = std::find_if(buffers_.begin(), buffers_.end(),
                             [&](const CircularBuffer& one) { return one.name == buffer.name; });
    if (same == buffers_.end()) {
      buffers_.push_back(std::move(buffer));
    } else {
      *same = std::move(buffer);
    }
  }

  const std::vector<CircularBuffer>& All() const { return buffers_; }

 private:
  std::vector<CircularBuffer> buffers_;
};

CircularBuffer CreateCircularBuffer(std::string name, std::string role, const std::string& dtype,
                                    int64_t pages,
                                    std::optional<std::string> tensor = std::nullopt) {
  CircularBuffer buffer;
  buffer.name = std::move(name);
  buffer.tensor = std::move(tensor);
  buffer.role = std::move(role);
  buffer.dtype = dtype;
  buffer.page_bytes = FindFormat(dtype)->tile_bytes;
  buffer.pages = pages;
  return buffer;
}

const std::string& DtypeOf(const Value& layouts, const std::string& tensor) {
  return layouts[tensor]["dtype"].Text();
}

/*! What temporary and constant tiles are kept in. */
std::string BetweenDtype(const Value& layouts) {
  std::vector<std::string> names;
  for (const auto& [tensor, layout] : layouts.Entries()) names.push_back(layout["dtype"].Text());
  return WorkingFormat(names).name;
}

/*! All that a nest needs besides its output. */
void PutOperands(const Value& layouts, const std::string& between, const Nest& nest,
                 const Blocks& blocks, NamedBuffers* found) {
  for (const StageRef& stage : nest.stages) {
    for (const Step& step : stage->steps) {
      for (const OperandRef& operand : step.operands) {
        const std::string& name = operand->buffer;
        if (operand->kind == OperandKind::kTensor) {
          std::string tensor = operand->Name();
          int64_t pages = blocks.Of(*stage, *operand) * blocks.buffering;
          found->Put(CreateCircularBuffer(name, "input", DtypeOf(layouts, tensor), pages, tensor));
        } else if (operand->kind == OperandKind::kConstant) {
          int64_t pages = nest.const_tiles.at(name).size();
          found->Put(CreateCircularBuffer(name, "intermediate", between, pages));
        }
      }
    }
    if (stage->target->kind == OperandKind::kTemporary) {
      int64_t pages = blocks.MadeBy(*stage);
      found->Put(CreateCircularBuffer(stage->target->buffer, "intermediate", between, pages));
    }
  }
}

void PutOutput(const Value& layouts, const Nest& nest, const Blocks& blocks, NamedBuffers* found) {
  const OperandRef& output = nest.Output();
  std::string tensor = output->Name();
  found->Put(CreateCircularBuffer(output->buffer, "output", DtypeOf(layouts, tensor),
                                  blocks.output * blocks.buffering, tensor));
}

/*! The scratch buffers of those tensors that are read. */
void PutScratch(const Value& layouts, const ScratchNames& scratch, NamedBuffers* found) {
  std::set<std::string> read;
  for (const CircularBuffer& buffer : found->All()) {
    if (buffer.tensor) read.insert(*buffer.tensor);
  }
  for (const auto& [tensor, name] : scratch) {
    if (read.count(tensor)) {
      found->Put(CreateCircularBuffer(name, "intermediate", DtypeOf(layouts, tensor), 1));
    }
  }
}

/*! Whether values of 32 bits go to DST as they are: then they need not lose any on the way. */
bool IsOnlyCopied(const CircularBuffer& buffer, const std::vector<BlockedNest>& parts) {
  bool is_read = false;
  for (const auto& [nest, blocks] : parts) {
    for (const StageRef& stage : nest->stages) {
      for (const Step& step : stage->steps) {
        for (const OperandRef& operand : step.operands) {
          if (operand->buffer != buffer.name) continue;
          if (step.math->name != "copy") return false;
          is_read = true;
        }
      }
    }
  }
  return is_read && FindFormat(buffer.dtype)->is_wide;
}

/*! Names, and the bytes of L1 that each takes. */
using Sizes = std::vector<std::pair<std::string, int64_t>>;

int64_t Total(const Sizes& sizes) {
  int64_t total = 0;
  for (const auto& [name, size] : sizes) total += size;
  return total;
}

std::string Listed(const Sizes& sizes) {
  return JoinMap(sizes, ", ",
                 [](const auto& row) { return row.first + " " + std::to_string(row.second); });
}

std::string FullHint(int64_t inner, int64_t used, bool has_tensors) {
  std::string hint = "lower block_tiles or buffering";
  if (2 * inner > used) {
    hint =
        "a reduction waits in L1 for all that it runs over: "
        "write that to a tensor, in a kernel of its own";
  }
  return hint + (has_tensors ? ", or cut the tensors into more shards" : "");
}

void CheckL1(const FuncRef& func, const Value& layouts,
             const std::vector<CircularBuffer>& buffers) {
  const Architecture& arch =
      ArchitectureOf(attrs::Require(func, attrs::kArch, kGridToPersistent).Text());
  Sizes sizes, inner, held;
  for (const CircularBuffer& buffer : buffers) {
    auto& row = sizes.emplace_back(buffer.name, buffer.page_bytes * buffer.pages);
    if (buffer.role == "intermediate") inner.push_back(row);
  }
  for (const auto& [name, layout] : layouts.Entries()) {
    int64_t bytes = layout["l1_bytes"].Int();
    if (bytes) held.emplace_back(name, bytes);
  }
  int64_t used = Total(sizes) + Total(held);
  if (used <= arch.l1_bytes) return;
  std::string tensors;
  if (!held.empty()) {
    tensors = ", tensors " + std::to_string(Total(held)) + " (" + Listed(held) + ")";
  }
  throw LoweringError("the circular buffers take " + std::to_string(Total(sizes)) +
                          " bytes of L1 (" + Listed(sizes) + ")" + tensors + "; " + arch.name +
                          " has " + std::to_string(arch.l1_bytes),
                      attrs::KernelPlace(func), FullHint(Total(inner), used, !held.empty()));
}

}  // namespace

Value CircularBuffer::ToValue() const {
  return Value::Dict{
      {"name", name},
      {"tensor", tensor ? Value(*tensor) : Value()},
      {"role", role},
      {"dtype", dtype},
      {"page_bytes", page_bytes},
      {"pages", pages},
      {"unpack_to_dst", unpack_to_dst},
  };
}

ScratchNames ScratchBuffers(const Value& layouts) {
  ScratchNames found;
  for (const auto& [tensor, layout] : layouts.Entries()) {
    if (layout["page"].Text() != "row") continue;
    std::string name = layout["dtype"].Text() + "_rows";
    while (layouts.Has(name)) name += "_";
    found.emplace_back(tensor, name);
  }
  return found;
}

const std::string* ScratchOf(const ScratchNames& scratch, const std::string& tensor) {
  auto found = std::find_if(scratch.begin(), scratch.end(),
                            [&](const auto& row) { return row.first == tensor; });
  return found == scratch.end() ? nullptr : &found->second;
}

std::vector<CircularBuffer> CircularBuffers(const FuncRef& func,
                                            const std::vector<BlockedNest>& parts,
                                            const ScratchNames& scratch) {
  Value layouts = attrs::Require(func, attrs::kLayoutDesc, kGridToPersistent);
  std::string between = BetweenDtype(layouts);
  NamedBuffers found, outputs;
  for (const auto& [nest, blocks] : parts) {
    PutOperands(layouts, between, *nest, *blocks, &found);
    PutOutput(layouts, *nest, *blocks, &outputs);
  }
  PutScratch(layouts, scratch, &found);
  for (const CircularBuffer& output : outputs.All()) found.Put(output);
  Value config = attrs::Require(func, attrs::kComputeConfig, kGridToPersistent);
  bool is_wide = config["fp32_dest_acc"] == Value(true);
  std::vector<CircularBuffer> buffers = found.All();
  for (CircularBuffer& buffer : buffers) {
    buffer.unpack_to_dst = is_wide && IsOnlyCopied(buffer, parts);
  }
  CheckL1(func, layouts, buffers);
  return buffers;
}

uint32_t FillWord(double value, const std::string& dtype) {
  const Format& format = *FindFormat(dtype);
  if (format.kind == "integer") return static_cast<uint32_t>(static_cast<int64_t>(value));
  bool is_bf16 = format.name == "bf16";
  float stored = static_cast<float>(is_bf16 ? NearestBf16(value) : value);
  uint32_t bits;
  std::memcpy(&bits, &stored, sizeof bits);
  return is_bf16 ? bits | bits >> 16 : bits;
}

}  // namespace ttgen
