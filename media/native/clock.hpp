// The clocks of the engine: monotonic nanoseconds for pacing, NTP time for RTCP (RFC 3550 section 4).
#pragma once

#include <cstdint>
#include <ctime>

namespace ramal {

constexpr int64_t kMillisecond = 1'000'000;
constexpr int64_t kSecond = 1'000'000'000;
constexpr int64_t kSampleRate = 8000;
constexpr int64_t kFrameSamples = 160;
constexpr int64_t kFrame = 20 * kMillisecond;
constexpr int32_t kFramesInSecond = 50;

// Nanoseconds of CLOCK_MONOTONIC, the clock of Python's time.monotonic().
inline int64_t monotonic_ns() {
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * kSecond + now.tv_nsec;
}

// Seconds since 1900 in the upper 32 bits, the fraction in the lower.
inline uint64_t ntp_now() {
    timespec now{};
    clock_gettime(CLOCK_REALTIME, &now);
    const uint64_t seconds = static_cast<uint64_t>(now.tv_sec) + 2'208'988'800ULL;
    const uint64_t fraction = (static_cast<uint64_t>(now.tv_nsec) << 32) / kSecond;
    return seconds << 32 | fraction;
}

// Samples at 8 kHz in a span of nanoseconds.
inline int64_t samples_in(int64_t nanoseconds) { return nanoseconds / 125'000; }

// Units of a clock of so many hertz, a multiple of 1000, in a span of nanoseconds.
inline int64_t samples_in(int64_t nanoseconds, int32_t clock) { return nanoseconds / 1000 * (clock / 1000) / 1000; }

}  // namespace ramal
