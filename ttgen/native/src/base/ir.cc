#include "base/ir.h"

#include <tvm/ffi/extra/structural_equal.h>
#include <tvm/ffi/extra/structural_mutate.h>
#include <tvm/ffi/extra/structural_visit.h>
#include <tvm/ffi/reflection/accessor.h>

#include <map>
#include <mutex>

#include "base/text.h"

namespace ttgen {
namespace {

constexpr DLDataType kInt32{kDLInt, 32, 1};
const Any kNoSpan(nullptr);

/*! Calls a function of TVM's that makes a node. */
template <class Node, class... Args>
Ptr<Node> Make(const ffi::Function& maker, Args&&... args) {
  return To<Node>(maker(std::forward<Args>(args)...));
}

ExprRef Folding(const ffi::Function& maker, const ExprRef& a, const ExprRef& b) {
  return Make<tir::Expr>(maker, a, b, kNoSpan);
}

/*! The layout that TVM gives a buffer by default: `TileLayout(S[shape])`, dense and row-major. */
Any RowMajor(const std::vector<int64_t>& shape) {
  static const Any axis = Global("tirx.AxisGet")(String("m"));
  Array<Any> iters;
  int64_t stride = 1;
  for (auto extent = shape.rbegin(); extent != shape.rend(); stride *= *extent++) {
    iters.insert(iters.begin(), Global("tirx.Iter")(*extent, stride, axis));
  }
  return Global("tirx.TileLayout")(iters, Array<Any>(), Map<Any, Any>());
}

template <class Node>
Array<Any> ArrayOf(const std::vector<Ptr<Node>>& nodes) {
  Array<Any> array;
  array.reserve(nodes.size());
  for (const Ptr<Node>& node : nodes) array.push_back(Any(node));
  return array;
}

}  // namespace

const ffi::Function& Global(const std::string& name) {
  // Passes may run in several threads; what a map holds stays where it is.
  static std::mutex mutex;
  static std::map<std::string, ffi::Function> functions;
  std::lock_guard<std::mutex> lock(mutex);
  auto found = functions.find(name);
  if (found == functions.end()) {
    found = functions.emplace(name, ffi::Function::GetGlobalRequired(name)).first;
  }
  return found->second;
}

// Reading ----------------------------------------------------------------------------------------

std::optional<int64_t> IntValue(const ExprRef& node) {
  auto constant = As<tir::IntImm>(node);
  if (!constant) return std::nullopt;
  if (auto value = constant->value.as<int64_t>()) return *value;
  return std::nullopt;
}

bool IsInt(const ExprRef& node, int64_t value) {
  auto found = IntValue(node);
  return found && *found == value;
}

std::optional<double> NumberValue(const ExprRef& node) {
  if (auto constant = As<tir::FloatImm>(node)) return constant->value;
  if (auto value = IntValue(node)) return static_cast<double>(*value);
  return std::nullopt;
}

std::optional<std::string> TextValue(const Any& node) {
  if (auto constant = As<tir::StringImm>(node)) return std::string(constant->value);
  return std::nullopt;
}

std::string DtypeName(const Ptr<tir::Type>& type) {
  if (auto primitive = As<tir::PrimType>(type)) return ffi::DLDataTypeToString(primitive->dtype);
  if (auto buffer = As<tir::BufferType>(type)) {
    return DtypeName(Ptr<tir::Type>(buffer->dtype));
  }
  return "handle";
}

std::string DtypeName(const ExprRef& node) { return DtypeName(node->ty); }

const tir::BufferType* BufferTypeOf(const VarRef& var) { return As<tir::BufferType>(var->ty); }

std::vector<int64_t> ShapeOf(const VarRef& buffer) {
  std::vector<int64_t> shape;
  for (const ExprRef& extent : Items<tir::Expr>(BufferTypeOf(buffer)->shape)) {
    shape.push_back(IntValue(extent).value());
  }
  return shape;
}

std::string NameOf(const VarRef& var) { return var->name; }

std::string CalleeOf(const tir::Call* call) {
  if (auto op = As<tir::Op>(call->op)) return op->name;
  if (auto var = As<tir::Var>(call->op)) return var->name;
  return Script(Any(call->op));
}

std::string Script(const Any& node) {
  static const Any config = Global("node.PrinterConfig")(Map<String, Any>{
      {"show_meta", false},
      {"ir_prefix", String("I")},
      {"module_alias", String("cls")},
      {"buffer_dtype", String("float32")},
      {"int_dtype", String("int32")},
      {"float_dtype", String("void")},
      {"verbose_expr", false},
      {"indent_spaces", 4},
      {"print_line_numbers", false},
      {"num_context_lines", -1},
      {"syntax_sugar", true},
      {"show_object_address", false},
      {"relax.show_all_ty", true},
  });
  return Global("node.TVMScriptPrinterScript")(node, config).cast<String>();
}

std::string ScriptLine(const Any& node) { return LastLine(Script(node)); }

Location LocationOf(const SpanRef& span, const Location& fallback) {
  if (span == nullptr) return fallback;
  return {FileOf(span), span->line, span->column};
}

std::string FileOf(const SpanRef& span) {
  std::string name = span->source_name->name;
  return StartsWith(name, "/") ? AfterLast(name, '/') : name;
}

SpanRef SpanOf(const Location& at) {
  Any source = Global("ir.SourceName")(at.path);
  return Make<tir::Span>(Global("ir.Span"), source, at.line, at.line, at.column, at.column);
}

bool StructuralEqual(const Any& a, const Any& b) { return ffi::StructuralEqual::Equal(a, b); }

std::vector<VarRef> Variables(const Any& node) {
  std::vector<VarRef> found;
  VarSet seen;
  auto visit = [&](ffi::Arc<tir::Var> var) -> ffi::Expected<ffi::WalkResult> {
    if (seen.insert(var).second) found.push_back(var);
    return ffi::WalkResult::Advance();
  };
  ffi::StructuralWalk<ffi::WalkOrder::kPreOrder>(node, visit);
  return found;
}

// Making -----------------------------------------------------------------------------------------

ExprRef Int(int64_t value) {
  static const ffi::Function maker = Global("ir.IntImm");
  return Make<tir::Expr>(maker, kInt32, value, kNoSpan);
}

ExprRef Text(const std::string& value) {
  static const ffi::Function maker = Global("ir.StringImm");
  return Make<tir::Expr>(maker, String(value), kNoSpan);
}

ExprRef Plus(const ExprRef& a, const ExprRef& b) {
  static const ffi::Function maker = Global("prim._OpAdd");
  return Folding(maker, a, b);
}

ExprRef Minus(const ExprRef& a, const ExprRef& b) {
  static const ffi::Function maker = Global("prim._OpSub");
  return Folding(maker, a, b);
}

ExprRef Times(const ExprRef& a, const ExprRef& b) {
  static const ffi::Function maker = Global("prim._OpMul");
  return Folding(maker, a, b);
}

ExprRef FloorDivide(const ExprRef& a, const ExprRef& b) {
  static const ffi::Function maker = Global("prim._OpFloorDiv");
  return Folding(maker, a, b);
}

ExprRef FloorRemainder(const ExprRef& a, const ExprRef& b) {
  static const ffi::Function maker = Global("prim._OpFloorMod");
  return Folding(maker, a, b);
}

ExprRef Minimum(const ExprRef& a, const ExprRef& b) {
  static const ffi::Function maker = Global("prim._OpMin");
  return Folding(maker, a, b);
}

ExprRef Maximum(const ExprRef& a, const ExprRef& b) {
  static const ffi::Function maker = Global("prim._OpMax");
  return Folding(maker, a, b);
}

ExprRef MakeBinary(const std::string& name, const ExprRef& a, const ExprRef& b) {
  return Folding(Global("prim." + name), a, b);
}

VarRef MakeVar(const std::string& name) {
  static const ffi::Function maker = Global("ir.Var");
  static const Any int32 = Global("ir.PrimType")(kInt32);
  return Make<tir::Var>(maker, String(name), int32, kNoSpan);
}

VarRef MakeBuffer(const std::vector<int64_t>& shape, const Ptr<tir::PrimType>& dtype,
                  const std::string& name, const std::string& scope, bool has_layout) {
  Array<Any> extents;
  for (int64_t extent : shape) extents.push_back(extent);
  Any layout = has_layout ? RowMajor(shape) : Any(nullptr);
  Any type = Global("tirx.BufferType")(String(scope), dtype, extents, Array<Any>(), nullptr, -1, 0,
                                       layout, Array<Any>(), kNoSpan);
  return Make<tir::Var>(Global("tirx.BufferVar"), String(name), type, kNoSpan);
}

StmtRef MakeFor(const VarRef& var, const ExprRef& start, const ExprRef& extent, const StmtRef& body,
                const ExprRef& step, const AttrMap& annotations) {
  static const ffi::Function maker = Global("tirx.For");
  constexpr int kSerial = 0;
  return Make<tir::Stmt>(maker, var, start, extent, kSerial, body, nullptr, annotations, step,
                         kNoSpan);
}

StmtRef MakeSeq(const std::vector<StmtRef>& parts) {
  static const ffi::Function maker = Global("tirx.SeqStmt");
  return Make<tir::Stmt>(maker, ArrayOf(parts), kNoSpan);
}

StmtRef MakeBind(const VarRef& var, const ExprRef& value) {
  static const ffi::Function maker = Global("tirx.Bind");
  return Make<tir::Stmt>(maker, var, value, kNoSpan);
}

StmtRef MakeAlloc(const VarRef& buffer) {
  static const ffi::Function maker = Global("tirx.AllocBuffer");
  return Make<tir::Stmt>(maker, buffer, nullptr, kNoSpan);
}

StmtRef MakeEvaluate(const ExprRef& value, const SpanRef& span) {
  static const ffi::Function maker = Global("tirx.Evaluate");
  return Make<tir::Stmt>(maker, value, span);
}

ExprRef MakeCall(const std::string& name, const std::vector<Any>& args, const SpanRef& span) {
  static const ffi::Function maker = Global("ir.Call");
  static const Any nothing = Global("ir.PrimType")(ffi::StringToDLDataType("void"));
  Any op = Global("ir.GetOp")(String("tt." + name));
  return Make<tir::Expr>(maker, nothing, op, Array<Any>(args.begin(), args.end()), nullptr,
                         Array<Any>(), span);
}

StmtRef InsertIntrinsicCall(const std::string& name, const std::vector<Any>& args,
                            const SpanRef& span) {
  return MakeEvaluate(MakeCall(name, args, span), span);
}

FuncRef MakeFunc(const std::vector<VarRef>& params, const StmtRef& body, const FuncRef& like) {
  static const ffi::Function maker = Global("tirx.PrimFunc");
  static const Any missing = Global("ir.TypeMissing")();
  return Make<tir::PrimFunc>(maker, ArrayOf(params), body, missing, like->attrs, kNoSpan);
}

FuncRef WithAttrs(const FuncRef& func, const AttrMap& attrs) {
  static const ffi::Function maker = Global("ir.BaseFuncWithAttrs");
  return Make<tir::PrimFunc>(maker, func, attrs);
}

ExprRef Substitute(const ExprRef& expr, const VarMap<ExprRef>& values) {
  auto replace = [&](ffi::Arc<tir::Var> var) -> ffi::Expected<Any> {
    auto found = values.find(var);
    return found == values.end() ? Any(var) : Any(found->second);
  };
  return To<tir::Expr>(ffi::StructuralMap<ffi::WalkOrder::kPostOrder>(Any(expr), replace));
}

std::vector<std::pair<Ptr<tir::GlobalVar>, Any>> FunctionsOf(const ModuleRef& module) {
  std::vector<std::pair<Ptr<tir::GlobalVar>, Any>> functions;
  for (const auto& [var, func] : module->functions) {
    functions.emplace_back(To<tir::GlobalVar>(var), func);
  }
  return functions;
}

ModuleRef MakeModule(const Map<Any, Any>& functions) {
  return Make<tir::IRModule>(Global("ir.IRModule"), functions, nullptr, Map<Any, Any>());
}

}  // namespace ttgen
