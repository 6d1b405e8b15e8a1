// Sound for a party: frames of 20 ms become payloads of its codec.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "codec.hpp"
#include "resampler.hpp"

namespace ramal {

class Speaking {
public:
    // Frames are given at `rate`: 8000, 16000 or 48000 Hz.
    Speaking(CodecKind kind, int32_t rate);

    // Encodes frame_samples() into at most kLargestPayload bytes; returns how many.
    size_t encode(const int16_t* samples, uint8_t* payload);
    size_t frame_samples() const { return static_cast<size_t>(rate / kFramesInSecond); }

    const CodecKind kind;
    const int32_t rate;

private:
    std::unique_ptr<Encoder> encoder_;
    Resampler resampler_;
};

}  // namespace ramal
