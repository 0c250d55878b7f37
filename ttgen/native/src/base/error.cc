#include "base/error.h"

#include <utility>

namespace ttgen {

std::string Location::Str() const {
  std::string text = path;
  for (int number : {line, column}) {
    if (number > 0) text += ":" + std::to_string(number);
  }
  return text;
}

TTError::TTError(std::string message, std::optional<Location> at, std::optional<std::string> hint,
                 const char* kind)
    : message(std::move(message)), at(std::move(at)), hint(std::move(hint)), kind(kind) {
  if (this->at) text_ = this->at->Str() + ": ";
  text_ += this->message;
  if (this->hint) text_ += "\n  " + *this->hint;
}

}  // namespace ttgen
