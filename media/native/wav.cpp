#include "wav.hpp"

#include <algorithm>
#include <cstring>
#include <stdexcept>

#include "clock.hpp"

namespace ramal {
namespace {

void little16(uint8_t* at, uint32_t value) {
    at[0] = static_cast<uint8_t>(value);
    at[1] = static_cast<uint8_t>(value >> 8);
}

void little32(uint8_t* at, uint32_t value) {
    little16(at, value);
    little16(at + 2, value >> 16);
}

uint32_t little16(const uint8_t* at) { return at[0] | static_cast<uint32_t>(at[1]) << 8; }
uint32_t little32(const uint8_t* at) { return little16(at) | little16(at + 2) << 16; }

bool named(const uint8_t* at, const char* name) { return std::memcmp(at, name, 4) == 0; }

void check_format(const uint8_t* format) {
    if (little16(format) != 1 || little16(format + 14) != 16) throw std::invalid_argument("the samples are not 16-bit PCM");
    if (little16(format + 2) != 1) throw std::invalid_argument("the file is not mono");
    if (little32(format + 4) != kSampleRate) throw std::invalid_argument("the sample rate is not 8000 Hz");
}

}  // namespace

std::array<uint8_t, kWavHeader> wav_header(int channels, int32_t rate, int64_t frames) {
    std::array<uint8_t, kWavHeader> header{};
    const uint32_t frame_bytes = static_cast<uint32_t>(channels) * 2;
    const int64_t largest = 0xFFFF'FFFFLL - static_cast<int64_t>(kWavHeader);
    const auto data = static_cast<uint32_t>(std::min<int64_t>(frames * frame_bytes, largest / frame_bytes * frame_bytes));
    std::memcpy(&header[0], "RIFF", 4);
    little32(&header[4], data + static_cast<uint32_t>(kWavHeader) - 8);
    std::memcpy(&header[8], "WAVEfmt ", 8);
    little32(&header[16], 16);
    little16(&header[20], 1);
    little16(&header[22], static_cast<uint32_t>(channels));
    little32(&header[24], static_cast<uint32_t>(rate));
    little32(&header[28], static_cast<uint32_t>(rate) * frame_bytes);
    little16(&header[32], frame_bytes);
    little16(&header[34], 16);
    std::memcpy(&header[36], "data", 4);
    little32(&header[40], data);
    return header;
}

std::span<const uint8_t> wav_samples(std::span<const uint8_t> file) {
    if (file.size() < 12 || !named(&file[0], "RIFF") || !named(&file[8], "WAVE")) throw std::invalid_argument("it is no WAV file");
    bool have_format = false;
    for (size_t at = 12; at + 8 <= file.size();) {
        const uint8_t* chunk = &file[at];
        const size_t size = little32(chunk + 4);
        const size_t rest = file.size() - at - 8;
        if (named(chunk, "fmt ")) {
            if (size < 16 || rest < 16) throw std::invalid_argument("its format is cut short");
            check_format(chunk + 8);
            have_format = true;
        } else if (named(chunk, "data")) {
            if (!have_format) throw std::invalid_argument("its samples come before their format");
            return file.subspan(at + 8, std::min(size, rest) & ~size_t{1});
        }
        if (size >= rest) break;
        at += 8 + size + (size & 1);
    }
    throw std::invalid_argument("it holds no samples");
}

}  // namespace ramal
