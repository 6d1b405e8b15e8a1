#include "resampler.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numbers>

namespace ramal {
namespace {

// Of the higher rate when divided by the factor: the middle of the slope. It reaches 60 dB a little above half of the lower rate.
constexpr double kCutoff = 0.4690;
// Kaiser's window for 60 dB.
constexpr double kBeta = 5.65;

double bessel_i0(double x) {
    double term = 1, sum = 1;
    for (int k = 1; k < 32; ++k) {
        term *= x / (2 * k) * (x / (2 * k));
        sum += term;
    }
    return sum;
}

// A low-pass at the higher rate, `length` long, of gain one.
std::vector<double> low_pass(size_t length, size_t factor) {
    std::vector<double> taps(length);
    const double middle = (static_cast<double>(length) - 1) / 2;
    const double cutoff = kCutoff / static_cast<double>(factor);
    double sum = 0;
    for (size_t i = 0; i < length; ++i) {
        const double t = static_cast<double>(i) - middle;
        const double sinc = t == 0 ? 2 * cutoff : std::sin(2 * std::numbers::pi * cutoff * t) / (std::numbers::pi * t);
        const double edge = t / (middle + 1);
        taps[i] = sinc * bessel_i0(kBeta * std::sqrt(1 - edge * edge)) / bessel_i0(kBeta);
        sum += taps[i];
    }
    for (double& tap : taps) tap /= sum;
    return taps;
}

int16_t rounded(float value) { return static_cast<int16_t>(std::lrintf(std::clamp(value, -32768.0F, 32767.0F))); }

float dot(const float* a, const float* b, size_t count) {
    // Four sums at once: the compiler may not reorder one.
    float sums[4] = {};
    for (size_t i = 0; i < count; i += 4) {
        for (size_t k = 0; k < 4; ++k) sums[k] += a[i + k] * b[i + k];
    }
    return sums[0] + sums[1] + (sums[2] + sums[3]);
}

}  // namespace

Resampler::Resampler(int32_t from, int32_t to)
    : up_(to > from), factor_(static_cast<size_t>(std::max(from, to) / std::min(from, to))) {
    if (factor_ == 1) return;
    const size_t length = kTaps * factor_;
    past_ = (up_ ? kTaps : length) - 1;
    line_.resize(past_ + kPiece);
    filter_.resize(length);
    const auto taps = low_pass(length, factor_);
    for (size_t i = 0; i < length; ++i) {
        // The filter is symmetric; the row of a phase is every factor_-th tap, the one of the newest sample last.
        const size_t at = up_ ? (i % factor_) * kTaps + (kTaps - 1 - i / factor_) : i;
        filter_[at] = static_cast<float>(taps[i] * (up_ ? static_cast<double>(factor_) : 1));
    }
}

void Resampler::reset() {
    std::fill(line_.begin(), line_.end(), 0.0F);
    skip_ = 0;
}

size_t Resampler::process(const int16_t* samples, size_t count, int16_t* out) {
    if (factor_ == 1) {
        std::memcpy(out, samples, count * sizeof *samples);
        return count;
    }
    size_t made = 0;
    for (size_t done = 0; done < count; done += kPiece) {
        const size_t piece = std::min(kPiece, count - done);
        std::copy_n(samples + done, piece, line_.begin() + static_cast<std::ptrdiff_t>(past_));
        made += up_ ? interpolate(piece, out + made) : decimate(piece, out + made);
        std::copy_n(line_.begin() + static_cast<std::ptrdiff_t>(piece), past_, line_.begin());
    }
    return made;
}

size_t Resampler::interpolate(size_t count, int16_t* out) {
    for (size_t i = 0; i < count; ++i) {
        for (size_t phase = 0; phase < factor_; ++phase) *out++ = rounded(dot(&line_[i], &filter_[phase * kTaps], kTaps));
    }
    return count * factor_;
}

size_t Resampler::decimate(size_t count, int16_t* out) {
    size_t made = 0;
    size_t i = skip_;
    for (; i < count; i += factor_) out[made++] = rounded(dot(&line_[i], filter_.data(), filter_.size()));
    skip_ = i - count;
    return made;
}

}  // namespace ramal
