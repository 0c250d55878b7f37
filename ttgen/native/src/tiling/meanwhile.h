// A variable with another value for a while.
#pragma once

#include <utility>

namespace ttgen {

/*! While it lives, a variable has another value; then it has the one from before. */
template <class T>
class Meanwhile {
 public:
  Meanwhile(T* variable, T value)
      : variable_(variable), before_(std::exchange(*variable, std::move(value))) {}
  ~Meanwhile() { *variable_ = std::move(before_); }
  Meanwhile(const Meanwhile&) = delete;
  Meanwhile& operator=(const Meanwhile&) = delete;

 private:
  T* variable_;
  T before_;
};

}  // namespace ttgen
