// WAV headers: 16-bit PCM, as written by the recorder and read by the player.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace ramal {

constexpr size_t kWavHeader = 44;

// A complete header for `frames` of 16-bit samples; sizes that do not fit 32 bits stand at their largest.
std::array<uint8_t, kWavHeader> wav_header(int channels, int32_t rate, int64_t frames);

// Finds the samples of an 8 kHz mono 16-bit file; throws std::invalid_argument with what is wrong.
std::span<const uint8_t> wav_samples(std::span<const uint8_t> file);

}  // namespace ramal
