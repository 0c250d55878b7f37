#include "plan/protocol.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>

#include "base/text.h"
#include "plan/trace.h"

namespace ttgen::plan {
namespace {

/*! Arguments that say which data is meant, not how much: they do not change the protocol. */
const std::vector<std::string> kAddresses = {"page", "word"};
/*! Arguments in which cores differ only in where their work starts. */
const std::set<std::string> kStarts = {"start", "sy", "sx"};

enum class Registers : uint8_t { kReleased, kAcquired, kCommitted, kPacking };
const char* const kRegisterTexts[] = {"released", "acquired", "committed", "packing"};

std::string Text(Registers registers) { return kRegisterTexts[static_cast<size_t>(registers)]; }

/*! What an operation does, as far as the protocols go. */
enum class Effect : uint8_t {
  kReserve,
  kPush,
  kWait,
  kPop,
  kRegisters,
  kReadBarrier,
  kWriteBarrier,
  kWork,
};

/*! A step of DST's protocol: the state that it needs, and the one that it leaves. */
struct RegisterStep {
  Registers needed;
  Registers left;
};

const std::map<std::string, RegisterStep>& RegisterSteps() {
  static const std::map<std::string, RegisterStep> steps = {
      {"tile_regs_acquire", {Registers::kReleased, Registers::kAcquired}},
      {"tile_regs_commit", {Registers::kAcquired, Registers::kCommitted}},
      {"tile_regs_wait", {Registers::kCommitted, Registers::kPacking}},
      {"tile_regs_release", {Registers::kPacking, Registers::kReleased}},
  };
  return steps;
}

/*! The effects of operations that are no work. */
const std::map<std::string, Effect>& Effects() {
  static const std::map<std::string, Effect> effects = {
      {"cb_reserve_back", Effect::kReserve},     {"cb_push_back", Effect::kPush},
      {"cb_wait_front", Effect::kWait},          {"cb_pop_front", Effect::kPop},
      {"tile_regs_acquire", Effect::kRegisters}, {"tile_regs_commit", Effect::kRegisters},
      {"tile_regs_wait", Effect::kRegisters},    {"tile_regs_release", Effect::kRegisters},
      {"read_barrier", Effect::kReadBarrier},    {"write_barrier", Effect::kWriteBarrier},
  };
  return effects;
}

const std::set<std::string> kReducing = {"matmul_tiles", "reduce_tile", "accumulate_tiles"};
/*! Operations that make a page in L1: the first one of their buffer. */
const std::set<std::string> kFilling = {"fill_page", "fill_corner", "fill_triangle"};

/*! A page of a circular buffer that is used, or filled. */
struct PageUse {
  int buffer;
  /*! Which value says which page; none: the first one. */
  std::optional<size_t> value;
  bool is_new;
};

/*! A tile of DST that is written, and perhaps read. */
struct RegisterUse {
  size_t value;
  bool is_read;
};

/*! An operation, made ready to be held against what is left. */
struct Action {
  const Op* op;
  Effect effect;
  /*! kReserve to kPop: the buffer; it is the first value that counts pages. */
  int buffer = -1;
  /*! kRegisters. */
  RegisterStep step = {};
  /*! kWork, all below. */
  std::vector<PageUse> pages = {};
  std::vector<RegisterUse> registers = {};
  Registers needed = Registers::kAcquired;
  /*! The buffer that the NoC writes to, or reads from, until the next barrier. */
  int arriving = -1;
  int leaving = -1;
};

/*! A set of buffers, or of DST tiles. */
using Bits = uint32_t;
Bits Bit(int64_t number) { return Bits{1} << number; }

/*! What the operations of one program so far have left. */
struct Left {
  /*! Pages of each buffer. */
  std::array<int64_t, kBuffers> reserved = {};
  std::array<int64_t, kBuffers> waited = {};
  /*! Buffers that the NoC still writes to, or still reads from. */
  Bits arriving = 0;
  Bits leaving = 0;
  /*! DST tiles that hold something. */
  Bits filled = 0;
  Registers registers = Registers::kReleased;

  bool operator==(const Left& other) const {
    return arriving == other.arriving && leaving == other.leaving && filled == other.filled &&
           registers == other.registers && reserved == other.reserved && waited == other.waited;
  }
};

/*! What a program does on one core, over all of its run. */
struct Totals {
  std::array<int64_t, kBuffers> pushed = {};
  /*! How often pages are pushed, however many at a time. */
  std::array<int64_t, kBuffers> pushes = {};
  std::array<int64_t, kBuffers> popped = {};
  /*! Executions of each operation that reduces, where there are any. */
  std::vector<int64_t> reduced;
};

/*! Makes operations ready. */
class ActionMaker {
 public:
  explicit ActionMaker(const std::vector<CircularBuffer>& buffers) {
    for (const CircularBuffer& buffer : buffers) {
      numbers_.emplace(buffer.name, static_cast<int>(numbers_.size()));
    }
  }

  Action ActionOf(const TracedOp& traced) const {
    const TileOp& row = *traced.op->row;
    auto known = Effects().find(row.name);
    Action made{traced.op, known == Effects().end() ? Effect::kWork : known->second};
    if (made.effect == Effect::kWork) {
      AddWork(traced, &made);
    } else if (made.effect == Effect::kRegisters) {
      made.step = RegisterSteps().at(row.name);
    } else if (made.effect <= Effect::kPop) {
      made.buffer = BufferOf(traced, "cb");
    }
    return made;
  }

 private:
  void AddWork(const TracedOp& traced, Action* made) const {
    const TileOp& row = *traced.op->row;
    const bool is_pack = row.name == "pack_tile";
    AddPages(traced, made);
    if (row.transfer == "read") made->arriving = BufferOf(traced, "cb");
    if (row.transfer == "write") made->leaving = BufferOf(traced, "cb");
    if (is_pack) made->needed = Registers::kPacking;
    for (const std::string& param : row.dst) {
      // `dst` is what is written, but where an operand is taken from it, too.
      const bool is_read =
          is_pack || param != "dst" || EndsWith(row.name, "_dst_tiles") || row.name == "unary_tile";
      made->registers.push_back({*ValueOf(traced, param), is_read});
    }
  }

  void AddPages(const TracedOp& traced, Action* made) const {
    const TileOp& row = *traced.op->row;
    if (!row.transfer.empty()) {
      made->pages = {{BufferOf(traced, "cb"), ValueOf(traced, "slot"), row.transfer == "read"}};
    } else if (kFilling.count(row.name)) {
      made->pages = {{BufferOf(traced, "cb"), std::nullopt, true}};
    } else if (row.name == "pack_tile") {
      made->pages = {{BufferOf(traced, "out"), ValueOf(traced, "slot"), true}};
    } else {
      for (const std::string number : {"0", "1"}) {
        auto tile = ValueOf(traced, "tile" + number);
        if (tile) made->pages.push_back({BufferOf(traced, "in" + number), tile, false});
      }
    }
  }

  int BufferOf(const TracedOp& traced, const std::string& param) const {
    return numbers_.at((*traced.op)[param].name);
  }

  /*! Which of the values of an operation is that of `param`, if it has one. */
  static std::optional<size_t> ValueOf(const TracedOp& traced, const std::string& param) {
    auto found = std::find(traced.params.begin(), traced.params.end(), param);
    if (found == traced.params.end()) return std::nullopt;
    return found - traced.params.begin();
  }

  std::map<std::string, int> numbers_;
};

/*! A program made ready: its trace, and what each of its operations does. */
struct ReadyProgram {
  ReadyProgram(const Program& program, const ActionMaker& maker)
      : name(program.name), trace(program, kAddresses) {
    for (const TracedOp& traced : trace.ops()) actions.push_back(maker.ActionOf(traced));
  }

  const std::string& name;
  Trace trace;
  std::vector<Action> actions;
};

/*! Holds the operations of a program on a core against what those before them have left. */
class Keeper {
 public:
  Keeper(const Plan& plan, const std::vector<Action>& actions)
      : plan_(plan), actions_(actions), executed_(actions.size()) {}

  const Left& Known() const { return left_; }

  bool Take(size_t number, const int64_t* values, int64_t times) {
    const Action& action = actions_[number];
    executed_[number] += times;
    switch (action.effect) {
      case Effect::kRegisters:
        StepRegisters(action.step);
        break;
      case Effect::kReadBarrier:
        left_.arriving = 0;
        break;
      case Effect::kWriteBarrier:
        left_.leaving = 0;
        break;
      case Effect::kWork:
        Work(action, values);
        break;
      default:
        Queue(action, values[0], times);
    }
    if (!problem_.empty()) blamed_ = action.op;
    return problem_.empty();
  }

  /*! What the program must not leave. */
  void End() {
    for (int buffer : reserved_in_order_) {
      if (const int64_t pages = left_.reserved[buffer]) {
        return Blame(std::to_string(pages) + " pages of " + Named(buffer) +
                     " are reserved and never pushed");
      }
    }
    std::set<std::string> leaving;
    for (size_t buffer = 0; buffer < plan_.circular_buffers.size(); ++buffer) {
      if (left_.leaving & Bit(buffer)) leaving.insert(plan_.circular_buffers[buffer].name);
    }
    if (!leaving.empty()) {
      return Blame("'" + *leaving.begin() +
                   "' is written to memory without a write_barrier after it");
    }
    if (left_.registers != Registers::kReleased) Blame("DST is left " + Text(left_.registers));
  }

  /*! What is wrong, "" as long as nothing is, and with which operation, if with one. */
  const std::string& problem() const { return problem_; }
  const Op* blamed() const { return blamed_; }

  Totals TotalsOf() const {
    Totals totals = totals_;
    for (size_t i = 0; i < actions_.size(); ++i) {
      const bool counts = executed_[i] && kReducing.count(actions_[i].op->row->name);
      if (counts) totals.reduced.push_back(executed_[i]);
    }
    return totals;
  }

 private:
  void Blame(std::string problem) { problem_ = std::move(problem); }

  std::string Named(int buffer) const { return "'" + plan_.circular_buffers[buffer].name + "'"; }

  void Queue(const Action& action, int64_t pages, int64_t times) {
    const int cb = action.buffer;
    // A block of pages must not straddle the end of the buffer, since its pages are addressed from
    // one pointer: the capacity is a multiple of every block.
    const int64_t capacity = plan_.circular_buffers[cb].pages;
    if (pages <= 0 || capacity % pages) {
      return Blame(std::to_string(pages) + " pages at a time do not divide the " +
                   std::to_string(capacity) + " pages of " + Named(cb));
    }
    switch (action.effect) {
      case Effect::kReserve:
        return Reserve(cb, pages);
      case Effect::kPush:
        return Push(cb, pages, times);
      case Effect::kWait:
        left_.waited[cb] = std::max(left_.waited[cb], pages);
        return;
      default:
        return Pop(cb, pages, times);
    }
  }

  void Reserve(int cb, int64_t pages) {
    auto& known = reserved_in_order_;
    if (std::find(known.begin(), known.end(), cb) == known.end()) known.push_back(cb);
    left_.reserved[cb] = pages;
  }

  void Push(int cb, int64_t pages, int64_t times) {
    totals_.pushed[cb] += pages * times;
    totals_.pushes[cb] += times;
    left_.reserved[cb] -= pages;
    if (left_.reserved[cb] < 0) {
      return Blame(std::to_string(pages) + " pages of " + Named(cb) +
                   " are pushed that were not reserved");
    }
    if (left_.arriving & Bit(cb)) {
      Blame(Named(cb) + " is pushed before a read_barrier, while its pages still arrive");
    }
  }

  void Pop(int cb, int64_t pages, int64_t times) {
    totals_.popped[cb] += pages * times;
    left_.waited[cb] -= pages;
    if (left_.waited[cb] < 0) {
      return Blame(std::to_string(pages) + " pages of " + Named(cb) +
                   " are popped that were not waited for");
    }
    if (left_.leaving & Bit(cb)) {
      Blame(Named(cb) + " is popped before a write_barrier, while its pages are still read");
    }
  }

  void StepRegisters(const RegisterStep& step) {
    CheckRegisters(step.needed);
    if (step.left == Registers::kAcquired) left_.filled = 0;
    left_.registers = step.left;
  }

  void CheckRegisters(Registers needed) {
    if (left_.registers == needed) return;
    Blame("DST is " + Text(left_.registers) + " here, and must be " + Text(needed));
  }

  /*! Pages that are used have been reserved or waited for; so have tiles of DST been acquired. */
  void Work(const Action& action, const int64_t* values) {
    for (const PageUse& use : action.pages) {
      const int64_t page = use.value ? values[*use.value] : 0;
      const int64_t there = (use.is_new ? left_.reserved : left_.waited)[use.buffer];
      if (0 <= page && page < there) continue;
      return Blame("page " + std::to_string(page) + " of " + Named(use.buffer) +
                   (use.is_new ? " is filled; " : " is used; ") + std::to_string(there) +
                   (use.is_new ? " are reserved" : " were waited for"));
    }
    if (action.arriving >= 0) left_.arriving |= Bit(action.arriving);
    if (action.leaving >= 0) left_.leaving |= Bit(action.leaving);
    for (const RegisterUse& use : action.registers) {
      Touch(use, values[use.value], action.needed);
      if (!problem_.empty()) return;
    }
  }

  void Touch(const RegisterUse& use, int64_t tile, Registers needed) {
    if (tile < 0 || tile >= plan_.dst_tiles) {
      return Blame("DST tile " + std::to_string(tile) + ", but there are " +
                   std::to_string(plan_.dst_tiles));
    }
    CheckRegisters(needed);
    if (!problem_.empty()) return;
    if (use.is_read && !(left_.filled & Bit(tile))) {
      return Blame("DST tile " + std::to_string(tile) + " is used, and nothing was computed in it");
    }
    left_.filled |= Bit(tile);
  }

  const Plan& plan_;
  const std::vector<Action>& actions_;
  Left left_;
  /*! The buffers in the order in which pages of them were first reserved. */
  std::vector<int> reserved_in_order_;
  Totals totals_;
  /*! Of each operation. */
  std::vector<int64_t> executed_;
  std::string problem_;
  const Op* blamed_ = nullptr;
};

std::string CoreText(const CoreWork& work) { return "core " + TupleText(work.core); }

/*! One program of a core: what it does goes to `totals`. */
Verdict Kept(const Plan& plan, const ReadyProgram& program, size_t core, Totals* totals) {
  const std::string path = "programs." + program.name + ".body";
  Keeper keeper(plan, program.actions);
  try {
    if (program.trace.Walk(core, &keeper)) keeper.End();
  } catch (const ZeroDivision& error) {
    return Violation{
        path, CoreText(plan.partition.cores[core]) + ": cannot be evaluated: " + error.problem};
  }
  *totals = keeper.TotalsOf();
  if (keeper.problem().empty()) return std::nullopt;
  std::string where = CoreText(plan.partition.cores[core]);
  const Op* op = keeper.blamed();
  if (op) where += ", " + op->row->name + " at " + op->AtText();
  return Violation{path, where + ": " + keeper.problem(),
                   op ? std::optional(op->At()) : std::nullopt};
}

using CoreTotals = std::array<Totals, 3>;

/*! Of each program, how many pages of `buffer` it pushes, or pops. */
using Counts = std::array<int64_t, kBuffers> Totals::*;

int64_t SumOver(const CoreTotals& totals, Counts counts, size_t buffer) {
  int64_t sum = 0;
  for (const Totals& program : totals) sum += (program.*counts)[buffer];
  return sum;
}

bool IsByMany(const CoreTotals& totals, Counts counts, size_t buffer) {
  auto takes_part = [&](const Totals& program) { return (program.*counts)[buffer] != 0; };
  return std::count_if(totals.begin(), totals.end(), takes_part) > 1;
}

/*! Why the circular buffer `buffer` does not come out even; "" where it does. */
std::string BalanceProblem(const CoreTotals& totals, size_t buffer, size_t core) {
  const int64_t given = SumOver(totals, &Totals::pushed, buffer);
  const int64_t taken = SumOver(totals, &Totals::popped, buffer);
  if (given != taken) {
    return std::to_string(given) + " pages pushed, " + std::to_string(taken) + " popped on core " +
           std::to_string(core);
  }
  if (IsByMany(totals, &Totals::pushed, buffer)) return "more than one program does push";
  if (IsByMany(totals, &Totals::popped, buffer)) return "more than one program does pop";
  return "";
}

/*! Circular buffers have one producer and one consumer, and come out even. */
Verdict Balance(const Plan& plan, size_t core, const CoreTotals& totals) {
  for (size_t i = 0; i < plan.circular_buffers.size(); ++i) {
    const std::string problem = BalanceProblem(totals, i, core);
    if (problem.empty()) continue;
    return Violation{ItemPath("circular_buffers", i),
                     "'" + plan.circular_buffers[i].name + "': " + problem};
  }
  return std::nullopt;
}

/*! The places that write pages. */
int64_t Writes(const Body& body) {
  int64_t writes = 0;
  for (const Statement& statement : body) {
    if (auto loop = std::get_if<For>(&statement.node)) writes += Writes(loop->body);
    auto op = std::get_if<Op>(&statement.node);
    writes += op && op->row->name == "write_page";
  }
  return writes;
}

/*!
 * The longest sum of an output tile has as many steps as the partition says.
 *
 * It may be made once for all of the core's tiles in a row, or for a block of them. Where parts of
 * the output are made in different ways, which the writer then has loops of their own for, those
 * without that sum have none.
 */
Verdict Sums(const Plan& plan, size_t core, const Totals& compute) {
  if (compute.reduced.empty()) return std::nullopt;
  const Partition& partition = plan.partition;
  const CoreWork& work = partition.cores[core];
  const int64_t columns = partition.tiles.second;
  const int64_t rows = CeilDiv(work.start + work.count, columns) - work.start / columns;
  int64_t blocks = 0;
  for (size_t i = 0; i < plan.circular_buffers.size(); ++i) {
    if (plan.circular_buffers[i].role == "output") blocks += compute.pushes[i];
  }
  auto is_whole = [&](int64_t steps) {
    return steps == work.count * partition.len_k || steps == rows * partition.len_k ||
           steps == blocks * partition.len_k;
  };
  const bool is_there = std::any_of(compute.reduced.begin(), compute.reduced.end(), is_whole) ||
                        Writes(plan.programs[2].body) > 1;
  const int64_t most = *std::max_element(compute.reduced.begin(), compute.reduced.end());
  if (is_there && most <= work.count * partition.len_k) return std::nullopt;
  return Violation{"partition.len_k", CoreText(work) + " makes " + std::to_string(most) +
                                          " steps of sums for " + std::to_string(work.count) +
                                          " output tiles; " + std::to_string(partition.len_k) +
                                          " for each are said here"};
}

Verdict OnCore(const Plan& plan, const std::vector<ReadyProgram>& programs, size_t core) {
  CoreTotals totals;
  for (size_t i = 0; i < programs.size(); ++i) {
    if (Verdict broken = Kept(plan, programs[i], core, &totals[i])) return broken;
  }
  if (Verdict broken = Balance(plan, core, totals)) return broken;
  return Sums(plan, core, totals[1]);
}

/*! What the programs of a core are given, but for where its work starts. */
std::vector<int64_t> KeyOf(const Plan& plan, size_t core) {
  std::vector<int64_t> key;
  for (const Program& program : plan.programs) {
    for (size_t i = 0; i < program.argument_names.size(); ++i) {
      if (!kStarts.count(program.argument_names[i])) key.push_back(program.arguments[core][i]);
    }
  }
  return key;
}

}  // namespace

Verdict Protocols(const Plan& plan) {
  TVM_FFI_ICHECK_LE(plan.dst_tiles, static_cast<int64_t>(8 * sizeof(Bits)));
  const ActionMaker maker(plan.circular_buffers);
  std::vector<ReadyProgram> programs;
  programs.reserve(plan.programs.size());
  for (const Program& program : plan.programs) programs.emplace_back(program, maker);
  std::set<std::vector<int64_t>> done;
  for (size_t core = 0; core < plan.partition.cores.size(); ++core) {
    // Cores that differ only in where their work starts do the same.
    if (!done.insert(KeyOf(plan, core)).second) continue;
    if (Verdict broken = OnCore(plan, programs, core)) return broken;
  }
  return std::nullopt;
}

}  // namespace ttgen::plan
