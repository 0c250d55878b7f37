// TVM's IR as C++ sees it: views to read nodes through, and what makes new ones.
#pragma once

#include <tvm/ffi/tvm_ffi.h>

#include <functional>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "base/error.h"
#include "gen/tvm_abi.h"

namespace ttgen {

namespace ffi = tvm::ffi;
using ffi::Any;
using ffi::Array;
using ffi::Map;
using ffi::ObjectRef;
using ffi::String;

/*! A node that is held; nullptr where there is none. Compare with ==, which is identity. */
template <class Node>
using Ptr = ffi::ObjectPtr<Node>;

using ExprRef = Ptr<tir::Expr>;
using StmtRef = Ptr<tir::Stmt>;
using VarRef = Ptr<tir::Var>;
using ForRef = Ptr<tir::For>;
using FuncRef = Ptr<tir::PrimFunc>;
using ModuleRef = Ptr<tir::IRModule>;
using SpanRef = Ptr<tir::Span>;

/*! Attributes, annotations, layouts: keys to whatever they hold. */
using AttrMap = Map<String, Any>;

// Reading ----------------------------------------------------------------------------------------

/*! `node` as one of type `Node` (or derived from it), nullptr if it is another. */
template <class Node, class Held>
const Node* As(const Ptr<Held>& node) {
  const ffi::Object* object = node.get();
  return object && object->IsInstance<Node>() ? static_cast<const Node*>(object) : nullptr;
}
template <class Node>
const Node* As(const ffi::Object* object) {
  return object && object->IsInstance<Node>() ? static_cast<const Node*>(object) : nullptr;
}
template <class Node>
const Node* As(const Any& value) {
  auto object = value.as<const ffi::Object*>();
  return object ? As<Node>(*object) : nullptr;
}

/*! A held reference to `node`, which somebody else holds already. */
template <class Node>
Ptr<Node> Hold(const Node* node) {
  return ffi::details::ObjectUnsafe::ObjectPtrFromUnowned<Node>(
      const_cast<ffi::Object*>(static_cast<const ffi::Object*>(node)));
}

/*! `value` as a node of type `Node`; nullptr for None; TypeError of the FFI at anything else. */
template <class Node>
Ptr<Node> To(const Any& value) {
  if (value == nullptr) return nullptr;
  const Node* node = As<Node>(value);
  if (!node) TVM_FFI_THROW(TypeError) << "unexpected node of type " << value.GetTypeKey();
  return Hold(node);
}

/*! The items of an array of nodes. */
template <class Node>
std::vector<Ptr<Node>> Items(const Array<Any>& array) {
  std::vector<Ptr<Node>> items;
  items.reserve(array.size());
  for (const Any& item : array) items.push_back(To<Node>(item));
  return items;
}

/*! `value` of an integer constant; nothing if `node` is none. */
std::optional<int64_t> IntValue(const ExprRef& node);
/*! Whether `node` is the integer constant `value`. */
bool IsInt(const ExprRef& node, int64_t value);
/*! `value` of a floating-point or an integer constant. */
std::optional<double> NumberValue(const ExprRef& node);
/*! The text of a text constant; nothing if `node` is none. */
std::optional<std::string> TextValue(const Any& node);
/*! The name of a data type: "bfloat16", "int32", "bool", "handle" for no primitive type. */
std::string DtypeName(const ExprRef& node);
std::string DtypeName(const Ptr<tir::Type>& type);
/*! The type of a tensor or a buffer; nullptr for scalars. */
const tir::BufferType* BufferTypeOf(const VarRef& var);
/*! Extents of a buffer, all of them known numbers. */
std::vector<int64_t> ShapeOf(const VarRef& buffer);
/*! `var.name`. */
std::string NameOf(const VarRef& var);
/*! The name of what is called ("tt.pack"); what TVM prints, where it has none. */
std::string CalleeOf(const tir::Call* call);

/*! `str(node)`: TVMScript, with the declarations that TVM prints above it. */
std::string Script(const Any& node);
/*! The last line of `Script`, which is the node itself. */
std::string ScriptLine(const Any& node);

/*! A span as a place; `fallback` where there is none (TE has no spans). */
Location LocationOf(const SpanRef& span, const Location& fallback);
/*! The file of a span, below its project; what no project holds is named without folders. */
std::string FileOf(const SpanRef& span);
/*! The place as TVM writes it down. */
SpanRef SpanOf(const Location& at);

/*! Whether two nodes are equal in structure, as `tvm_ffi.structural_equal`. */
bool StructuralEqual(const Any& a, const Any& b);
/*! Every variable in `node`, buffers included, in order of occurrence, without repeats. */
std::vector<VarRef> Variables(const Any& node);

struct PtrHash {
  template <class Node>
  size_t operator()(const Ptr<Node>& node) const {
    return std::hash<const void*>()(node.get());
  }
};
using VarSet = std::unordered_set<VarRef, PtrHash>;
template <class Value>
using VarMap = std::unordered_map<VarRef, Value, PtrHash>;

// Making -----------------------------------------------------------------------------------------
// Operators fold constants as TVM's Python operators do; `MakeX` is the node itself.

/*! An integer constant of type int32. */
ExprRef Int(int64_t value);
ExprRef Text(const std::string& value);
ExprRef Plus(const ExprRef& a, const ExprRef& b);
ExprRef Minus(const ExprRef& a, const ExprRef& b);
ExprRef Times(const ExprRef& a, const ExprRef& b);
ExprRef FloorDivide(const ExprRef& a, const ExprRef& b);
ExprRef FloorRemainder(const ExprRef& a, const ExprRef& b);
ExprRef Minimum(const ExprRef& a, const ExprRef& b);
ExprRef Maximum(const ExprRef& a, const ExprRef& b);
/*! A comparison, `prim.<name>` as it is: "EQ", "LT", …; also "And", "Or". */
ExprRef MakeBinary(const std::string& name, const ExprRef& a, const ExprRef& b);

/*! `tirx.Var(name, "int32")`. */
VarRef MakeVar(const std::string& name);
/*! A buffer of a static shape; `layout` "default", or none (`layout=None`). */
VarRef MakeBuffer(const std::vector<int64_t>& shape, const Ptr<tir::PrimType>& dtype,
                  const std::string& name, const std::string& scope, bool has_layout);
/*! A serial loop; `step` nullptr for 1. */
StmtRef MakeFor(const VarRef& var, const ExprRef& start, const ExprRef& extent, const StmtRef& body,
                const ExprRef& step = nullptr, const AttrMap& annotations = {});
StmtRef MakeSeq(const std::vector<StmtRef>& parts);
StmtRef MakeBind(const VarRef& var, const ExprRef& value);
StmtRef MakeAlloc(const VarRef& buffer);
StmtRef MakeEvaluate(const ExprRef& value, const SpanRef& span = nullptr);
/*! `tt.<name>(*args)` as an expression, and as a statement; both stand where `span` says. */
ExprRef MakeCall(const std::string& name, const std::vector<Any>& args, const SpanRef& span);
StmtRef InsertIntrinsicCall(const std::string& name, const std::vector<Any>& args,
                            const SpanRef& span);
/*! A function with the attributes of `like`. */
FuncRef MakeFunc(const std::vector<VarRef>& params, const StmtRef& body, const FuncRef& like);
/*! `func` with `attrs`, too. */
FuncRef WithAttrs(const FuncRef& func, const AttrMap& attrs);
/*! `expr` with values in the place of variables. */
ExprRef Substitute(const ExprRef& expr, const VarMap<ExprRef>& values);

/*! The functions of a module, in its order: name and function (which may be no PrimFunc). */
std::vector<std::pair<Ptr<tir::GlobalVar>, Any>> FunctionsOf(const ModuleRef& module);
/*! A module of these functions; keys are names or global variables, as `tvm.IRModule`. */
ModuleRef MakeModule(const Map<Any, Any>& functions);

/*! A function of TVM's by its registered name. */
const ffi::Function& Global(const std::string& name);

}  // namespace ttgen
