// The offsets that C++ shares with TypeScript; every constant here is exported and compared with rings/layout.ts at load.
#pragma once
#include <cstdint>
