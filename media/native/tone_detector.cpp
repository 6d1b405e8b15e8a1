#include "tone_detector.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace ramal {
namespace {

constexpr std::array<float, 8> kHertz{697, 770, 852, 941, 1209, 1336, 1477, 1633};
constexpr char kKeys[] = "123A456B789C*0#D";
constexpr float kRate = 8000;

// As levels of a full sine of 16 bits: -35 dBm0 is the weakest that is taken.
constexpr float kWeakest = 350;
// Q.24: the upper tone may be 4 dB stronger or 8 dB weaker; a little more is let through.
constexpr float kTwist = 8.0F;
constexpr float kReverseTwist = 3.2F;
// The next strongest of its group must be 8 dB below.
constexpr float kRelative = 6.3F;
// The two tones' share of all that sounds: speech spreads, keys do not.
constexpr float kShare = 0.8F;
// So many blocks without it end a tone.
constexpr int kMissesToEnd = 2;

std::array<float, 8> coefficients() {
    std::array<float, 8> result{};
    for (size_t i = 0; i < result.size(); ++i) result[i] = 2 * std::cos(2 * std::numbers::pi_v<float> * kHertz[i] / kRate);
    return result;
}

const std::array<float, 8> kCoefficients = coefficients();

}  // namespace

std::optional<Digit> ToneDetector::samples(const int16_t* samples, size_t count) {
    std::optional<Digit> found;
    for (size_t i = 0; i < count; ++i) {
        const auto sample = static_cast<float>(samples[i]);
        energy_ += sample * sample;
        for (size_t f = 0; f < kFrequencies; ++f) {
            Filter& filter = filters_[f];
            const float next = sample + kCoefficients[f] * filter.last - filter.before;
            filter.before = filter.last;
            filter.last = next;
        }
        if (++filled_ < kBlock) continue;
        if (const auto digit = block()) found = digit;
        filters_.fill({});
        energy_ = 0;
        filled_ = 0;
    }
    return found;
}

int ToneDetector::classify() const {
    std::array<float, kFrequencies> power;
    for (size_t f = 0; f < kFrequencies; ++f) {
        const Filter& filter = filters_[f];
        power[f] = filter.last * filter.last + filter.before * filter.before - kCoefficients[f] * filter.last * filter.before;
    }
    const auto low = std::max_element(power.begin(), power.begin() + 4);
    const auto high = std::max_element(power.begin() + 4, power.end());
    // A sine of amplitude A has the power (A N / 2)^2 here.
    constexpr float kLeast = (kWeakest * kBlock / 2) * (kWeakest * kBlock / 2);
    if (*low < kLeast || *high < kLeast) return -1;
    if (*high > *low * kReverseTwist || *low > *high * kTwist) return -1;
    for (auto other = power.begin(); other != power.end(); ++other) {
        if (other != low && other < power.begin() + 4 && *other * kRelative > *low) return -1;
        if (other != high && other >= power.begin() + 4 && *other * kRelative > *high) return -1;
    }
    if ((*low + *high) * 2 < kShare * energy_ * kBlock) return -1;
    return static_cast<int>((low - power.begin()) * 4 + (high - power.begin() - 4));
}

std::optional<Digit> ToneDetector::block() {
    const int heard = classify();
    if (current_ >= 0) {
        if (heard == current_) {
            blocks_ += 1 + static_cast<uint32_t>(misses_);
            misses_ = 0;
            return std::nullopt;
        }
        if (++misses_ < kMissesToEnd) return std::nullopt;
        const Digit digit{kKeys[current_], blocks_ * static_cast<uint32_t>(kBlock)};
        current_ = -1;
        candidate_ = heard;
        return digit;
    }
    if (heard >= 0 && heard == candidate_) {
        current_ = heard;
        blocks_ = 2;
        misses_ = 0;
    }
    candidate_ = heard;
    return std::nullopt;
}

void write_tone(uint8_t event, uint32_t& position, int16_t* samples, size_t count) {
    // -7 dBm0 and -5 dBm0: within what Q.23 and national rules ask for.
    constexpr float kLow = 7000, kHigh = 8500;
    const char* key = std::find(kKeys, kKeys + 16, "0123456789*#ABCD"[event & 15]);
    const auto index = static_cast<size_t>(key - kKeys);
    const float low = 2 * std::numbers::pi_v<float> * kHertz[index / 4] / kRate;
    const float high = 2 * std::numbers::pi_v<float> * kHertz[4 + index % 4] / kRate;
    for (size_t i = 0; i < count; ++i, ++position) {
        const auto at = static_cast<float>(position);
        samples[i] = static_cast<int16_t>(kLow * std::sin(low * at) + kHigh * std::sin(high * at));
    }
}

}  // namespace ramal
