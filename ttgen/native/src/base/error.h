// Errors that a user can act on: where, what was seen and is wanted, what to do.
#pragma once

#include <exception>
#include <optional>
#include <string>
#include <utility>

namespace ttgen {

/*! A place in a text file. `line` and `column` count from 1; 0 means not known. */
struct Location {
  std::string path;
  int line = 0;
  int column = 0;

  bool operator==(const Location& other) const {
    return path == other.path && line == other.line && column == other.column;
  }
  bool operator!=(const Location& other) const { return !(*this == other); }
  /*! "path:line:column", without the numbers that are not known. */
  std::string Str() const;
};

/*! As `ttgen.errors.TTError`: what was seen and is wanted, where, and what to do. */
class TTError : public std::exception {
 public:
  explicit TTError(std::string message, std::optional<Location> at = std::nullopt,
                   std::optional<std::string> hint = std::nullopt, const char* kind = "TTError");

  const char* what() const noexcept override { return text_.c_str(); }

  const std::string message;
  const std::optional<Location> at;
  const std::optional<std::string> hint;
  /*! The name of the Python class. */
  const char* const kind;

 private:
  std::string text_;
};

/*! A kernel is valid, but it cannot be lowered to the chip. */
class LoweringError : public TTError {
 public:
  explicit LoweringError(std::string message, std::optional<Location> at = std::nullopt,
                         std::optional<std::string> hint = std::nullopt)
      : TTError(std::move(message), std::move(at), std::move(hint), "LoweringError") {}
};

/*! An error without a place, which whoever knows one adds. */
inline LoweringError Unplaced(std::string message) { return LoweringError(std::move(message)); }
inline LoweringError Unplaced(std::string message, std::string hint) {
  return LoweringError(std::move(message), std::nullopt, std::move(hint));
}

}  // namespace ttgen
