// G.711 by tables: decoding, encoding, and the direct way from one law to the other.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace ramal {

enum class Law : uint8_t { mu = 0, a = 1 };

using DecodeTable = std::array<int16_t, 256>;
using TranscodeTable = std::array<uint8_t, 256>;

// 256 samples of 16 bits, by code.
const DecodeTable& decode_table(Law law);

// The code of silence: the positive value nearest to zero.
constexpr uint8_t silence_code(Law law) { return law == Law::mu ? 0xFF : 0xD5; }

// Encodes 16-bit samples.
void encode(Law law, const int16_t* samples, size_t count, uint8_t* codes);

// Turns codes of one law into codes of the other, in place.
void transcode(Law from, uint8_t* codes, size_t count);

}  // namespace ramal
