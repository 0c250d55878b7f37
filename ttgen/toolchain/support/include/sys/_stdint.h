// LLK's Blackhole headers name newlib's file; the types are those of <stdint.h>.
#pragma once
#include <stdint.h>
