#include "analysis/loops.h"

#include <algorithm>
#include <string>

namespace ttgen {
namespace {

/*! A kernel whose choices cut it into more pieces is no program of whole tiles. */
constexpr size_t kMostStatements = 128;

bool RunsOver(const Statement& statement, const Axis& axis) {
  return std::find(statement.axes.begin(), statement.axes.end(), axis) != statement.axes.end();
}

}  // namespace

Loops::Loops(std::vector<Statement> given) : statements(std::move(given)) {
  for (const Statement& statement : statements) {
    for (const Axis& axis : statement.axes) serial_ = std::max(serial_, axis.serial);
  }
}

void Loops::Apply(const Restart& request) {
  const Axis& axis = request.axis;
  std::vector<Piece> pieces;
  if (request.inner) {
    pieces.push_back(Nested(axis, request.inner));
  } else {
    pieces.push_back(Range(axis, 0, request.at));
    pieces.push_back(Range(axis, request.at, axis.extent - request.at));
  }
  std::vector<Statement> made;
  for (const Statement& statement : statements) {
    // A block's `T.init()` stands at the start of the loops that it does not run over.
    const size_t count = RunsOver(statement, axis) ? pieces.size() : 1;
    for (size_t i = 0; i < count; ++i) {
      made.push_back(statement.WithAxis(axis, pieces[i].first, pieces[i].second));
    }
  }
  statements = std::move(made);
  if (statements.size() > kMostStatements) {
    throw LoweringError(
        "conditions cut the loops into more than " + std::to_string(kMostStatements) + " pieces",
        statements.front().at, "conditions that hold for whole tiles lower");
  }
}

Loops::Piece Loops::Nested(const Axis& axis, int64_t inner) {
  auto [outside, loops] = Range(axis, 0, axis.extent / inner);
  const auto [inside, own] = Range(axis, 0, inner);
  loops.insert(loops.end(), own.begin(), own.end());
  return {outside.Scaled(inner) + inside, std::move(loops)};
}

Loops::Piece Loops::Range(const Axis& axis, int64_t start, int64_t extent) {
  if (extent == 1) return {Affine(start), {}};
  const Axis part{axis.name, extent, ++serial_};
  return {Affine({{part, 1}}, start), {part}};
}

}  // namespace ttgen
