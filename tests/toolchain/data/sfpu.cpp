// x * x + x on the SFPU, each factor put together again from x and its own exponent: setexp writes
// over the exponent's register, so using it twice needs a copy between vector registers.
#include "sfpu.h"

#ifdef TRISC_MATH
sfpi_inline sfpi::vFloat lane(sfpi::vFloat x) {
    const sfpi::vInt exponent = sfpi::exexp(x, sfpi::ExponentMode::Biased);
    return sfpi::setexp(x, exponent) * sfpi::setexp(x, exponent) + x;
}
#endif
