#include "plan/model.h"

#include <algorithm>
#include <numeric>
#include <stdexcept>

namespace ttgen::plan {

const Argument& Op::operator[](const std::string& param) const {
  for (size_t i = 0; i < args.size(); ++i) {
    if (row->params[i].first == param) return args[i];
  }
  throw std::out_of_range(param);
}

Location Op::At() const { return {FileOf(span), span->line, span->column}; }

std::string Op::AtText() const {
  return FileOf(span) + ":" + std::to_string(span->line) + ":" + std::to_string(span->column);
}

std::vector<int64_t> Tensor::Order() const {
  if (layout.order) return *layout.order;
  std::vector<int64_t> plain(shape.size());
  std::iota(plain.begin(), plain.end(), 0);
  return plain;
}

int64_t Tensor::Tiles() const { return Product(padded_shape) / Product(layout.tile_shape); }

const Tensor* Plan::FindTensor(const std::string& name) const {
  auto found = std::find_if(tensors.begin(), tensors.end(),
                            [&](const Tensor& tensor) { return tensor.name == name; });
  return found == tensors.end() ? nullptr : &*found;
}

}  // namespace ttgen::plan
