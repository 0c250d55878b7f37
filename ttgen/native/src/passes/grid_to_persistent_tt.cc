// GridToPersistentTT: from loops over all output tiles to the three programs of each core
// (ttgen/passes/grid_to_persistent_tt.py). The parts are in persistent/.
#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "base/attrs.h"
#include "base/tables.h"
#include "base/text.h"
#include "passes/pass.h"
#include "persistent/blocks.h"
#include "persistent/buffers.h"
#include "persistent/compute.h"
#include "persistent/coordinates.h"
#include "persistent/reader.h"
#include "persistent/runs.h"
#include "persistent/shares.h"
#include "persistent/stages.h"
#include "persistent/writer.h"

namespace ttgen {
namespace {

constexpr char kPersistent[] = "tir.tenstorrent.GridToPersistentTT";

/*! Chooses blocks for all parts of an output. */
class BlockChoice {
 public:
  BlockChoice(const FuncRef& func, const std::vector<Nest>& nests,
              const std::vector<PartShare>& shares, const Options& options);

  /*! The blocks of each part, of which those of the output are equal: they share a buffer. */
  std::vector<Blocks> Chosen() const;

 private:
  std::vector<Blocks> AtMost(int64_t most_output) const;

  const std::vector<Nest>& nests_;
  BlockLimits limits_;
  Value constants_;
  /*! For each part, how many tiles cores have together. */
  std::vector<std::vector<int64_t>> counts_;
};

BlockChoice::BlockChoice(const FuncRef& func, const std::vector<Nest>& nests,
                         const std::vector<PartShare>& shares, const Options& options)
    : nests_(nests) {
  Value config = attrs::Require(func, attrs::kComputeConfig, kPersistent);
  Value work = attrs::Require(func, attrs::kWorkPartition, kPersistent);
  constants_ = attrs::Require(func, attrs::kConstants, kPersistent);
  const Architecture& arch = ArchitectureOf(attrs::Require(func, attrs::kArch, kPersistent).Str());
  limits_.dst_tiles = arch.DstTiles(config["fp32_dest_acc"].Bool(), config["dst_full_sync"].Bool());
  limits_.block_tiles = options["block_tiles"].Int();
  limits_.buffering = options["buffering"].Int();
  limits_.most_output = limits_.block_tiles;
  for (size_t part = 0; part < nests.size(); ++part) {
    std::vector<int64_t>& counts = counts_.emplace_back();
    for (const Value& core : work.Items()) {
      size_t last = core.Items().size() - 1;
      std::vector<int64_t> tiles =
          shares[part].TilesTogether(core[last - 1].Int(), core[last].Int(), nests[part].HasRuns());
      counts.insert(counts.end(), tiles.begin(), tiles.end());
    }
  }
}

std::vector<Blocks> BlockChoice::Chosen() const {
  int64_t least = limits_.block_tiles;
  for (const Blocks& blocks : AtMost(least)) least = std::min(least, blocks.output);
  return AtMost(least);
}

std::vector<Blocks> BlockChoice::AtMost(int64_t most_output) const {
  BlockLimits limits = limits_;
  limits.most_output = most_output;
  std::vector<Blocks> chosen;
  for (size_t part = 0; part < nests_.size(); ++part) {
    chosen.push_back(ChooseBlocks(nests_[part], constants_, counts_[part], limits));
  }
  return chosen;
}

/*! What the programs of a function have in common. */
struct Common {
  FuncRef func;
  /*! Runtime arguments. */
  std::vector<VarRef> arguments;
  /*! The attribute `tt.cb_desc`, made once: what programs share is compared by identity. */
  Any buffers;
  /*! Constants that the lowered function does not have. */
  VarConstants own;
};

/*! Tensors and constants of a program, of those that there are. */
struct Params {
  std::vector<VarRef> tensors;
  std::vector<VarRef> constants;
};

Params UsedParams(const Common& common, const VarSet& used) {
  Params params;
  for (const VarRef& param : Items<tir::Var>(common.func->params)) {
    if (!used.count(param)) continue;
    (BufferTypeOf(param) ? params.tensors : params.constants).push_back(param);
  }
  bool needs_own = std::any_of(common.own.begin(), common.own.end(),
                               [&](const auto& constant) { return used.count(constant.first); });
  if (!needs_own) return params;
  for (const auto& [var, value] : common.own) params.constants.push_back(var);
  return params;
}

/*! A program as a function of the tensors, runtime arguments and constants that it uses. */
FuncRef MakeProgram(const Common& common, const std::string& program, const Body& body,
                    const std::string& name) {
  StmtRef stmt = SequenceOf(body);
  std::vector<VarRef> variables = Variables(stmt);
  VarSet used(variables.begin(), variables.end());
  auto [params, constants] = UsedParams(common, used);
  for (const VarRef& argument : common.arguments) {
    if (used.count(argument)) params.push_back(argument);
  }
  params.insert(params.end(), constants.begin(), constants.end());
  Value known = attrs::Require(common.func, attrs::kConstants, kPersistent);
  for (const auto& [var, value] : common.own) known.Set(NameOf(var), value);
  Value values{Value::Dict()};
  for (const VarRef& var : constants) values.Set(NameOf(var), known[NameOf(var)]);
  // Functions of one module share no variables, or the printed module does not parse to itself.
  Any renewed = Global("s_tir.RenewDefs")(MakeFunc(params, stmt, common.func));
  return WithAttrs(To<tir::PrimFunc>(renewed), {{attrs::kCbDesc, common.buffers},
                                                {attrs::kConstants, values.ToAny()},
                                                {attrs::kProgram, String(program)},
                                                {"global_symbol", String(name)}});
}

struct Bodies {
  Body reader, compute, writer;
};

/*! Makes the bodies of the three programs, part by part. */
class Splitter {
 public:
  Splitter(const FuncRef& func, const Options& options);

  /*! The programs of the function called `name`, by their names. */
  std::vector<std::pair<std::string, FuncRef>> Programs(const std::string& name);

 private:
  std::vector<Nest> ParsedNests() const;
  void DescribeBuffers();
  void AddPart(size_t part, Bodies* bodies) const;

  Common common_;
  Value partition_;
  std::vector<Nest> nests_;
  std::vector<PartShare> shares_;
  std::vector<Blocks> blocks_;
  ScratchNames scratch_;
  BufferFormats formats_;
  /*! Those of all parts. */
  StageRefs stages_;
  Operands constants_;
  VarRef start_ = MakeVar("start"), count_ = MakeVar("count");
  std::pair<VarRef, VarRef> shard_{MakeVar("sy"), MakeVar("sx")};
};

Splitter::Splitter(const FuncRef& func, const Options& options) {
  common_.func = func;
  partition_ = attrs::Require(func, attrs::kPartition, kPersistent);
  nests_ = ParsedNests();
  shares_ = SharesOf(nests_, attrs::Require(func, attrs::kConstants, kPersistent));
  blocks_ = BlockChoice(func, nests_, shares_, options).Chosen();
  DescribeBuffers();
  common_.own = PartitionConstants(partition_);
  common_.arguments = {start_, count_, shard_.first, shard_.second};
  Operands constants;
  for (const Nest& nest : nests_) {
    Operands more = nest.Constants();
    constants.insert(constants.end(), more.begin(), more.end());
    stages_.insert(stages_.end(), nest.stages.begin(), nest.stages.end());
  }
  constants_ = OnePerBuffer(constants);
}

std::vector<Nest> Splitter::ParsedNests() const {
  std::vector<Nest> parts = Parse(common_.func);
  Value extents = attrs::Require(common_.func, attrs::kConstants, kPersistent);
  std::vector<Nest> nests;
  for (Nest& nest : parts) nests.push_back(WithRuns(std::move(nest), partition_, extents));
  return nests;
}

void Splitter::DescribeBuffers() {
  scratch_ = ScratchBuffers(attrs::Require(common_.func, attrs::kLayoutDesc, kPersistent));
  std::vector<BlockedNest> parts;
  for (size_t part = 0; part < nests_.size(); ++part) {
    parts.emplace_back(&nests_[part], &blocks_[part]);
  }
  Value described{Value::List()};
  for (const CircularBuffer& buffer : CircularBuffers(common_.func, parts, scratch_)) {
    described.Append(buffer.ToValue());
    formats_[buffer.name] = buffer.dtype;
  }
  common_.buffers = described.ToAny();
}

void Splitter::AddPart(size_t part, Bodies* bodies) const {
  const Nest& nest = nests_[part];
  Mine mine = shares_[part].Of(start_, count_);
  Value partition = partition_;
  partition.Set("tiles", shares_[part].grid);
  Coordinates coordinates{nest, partition, mine.start, common_.own, shard_};
  Emitted emitted{nest, blocks_[part], coordinates, mine.start, mine.count, formats_, scratch_};
  ReaderEmitter reader(emitted);
  ComputeEmitter compute(emitted, stages_);
  WriterEmitter writer(emitted);
  if (part == 0) {
    Extend(&bodies->reader, reader.Opening(constants_));
    Extend(&bodies->compute, compute.Opening(constants_));
  }
  Extend(&bodies->reader, mine.Bound(reader.Tiles()));
  Extend(&bodies->compute, mine.Bound(compute.Tiles()));
  Extend(&bodies->writer, mine.Bound(writer.Tiles()));
  if (part + 1 == nests_.size()) Extend(&bodies->compute, compute.Closing(constants_));
}

std::vector<std::pair<std::string, FuncRef>> Splitter::Programs(const std::string& name) {
  Bodies bodies;
  for (size_t part = 0; part < nests_.size(); ++part) AddPart(part, &bodies);
  std::vector<std::pair<std::string, FuncRef>> programs;
  auto add = [&](const std::string& program, const Body& body) {
    std::string full_name = name + "_" + program;
    programs.emplace_back(full_name, MakeProgram(common_, program, body, full_name));
  };
  add("reader", bodies.reader);
  add("compute", bodies.compute);
  add("writer", bodies.writer);
  return programs;
}

FuncRef PrimFuncOf(const std::string& name, const Any& func) {
  if (auto found = As<tir::PrimFunc>(func)) return Hold(found);
  std::string type = AfterLast(func.GetTypeKey(), '.');
  throw LoweringError("'" + name + "' is no PrimFunc, but of type " + type, std::nullopt,
                      "take it out of the module, or lower it to a PrimFunc first");
}

}  // namespace

ModuleRef GridToPersistentTT(const ModuleRef& module, const Options& options) {
  if (options["block_tiles"].Int() < 1 || options["buffering"].Int() < 1) {
    throw LoweringError("block_tiles and buffering are at least 1");
  }
  static const ffi::Function& make_name = Global("ir.GlobalVar");
  Map<Any, Any> functions;
  for (const auto& [var, func] : FunctionsOf(module)) {
    std::string name = var->name_hint;
    for (const auto& [program, split] : Splitter(PrimFuncOf(name, func), options).Programs(name)) {
      functions.Set(make_name(program), split);
    }
  }
  return MakeModule(functions);
}

}  // namespace ttgen
