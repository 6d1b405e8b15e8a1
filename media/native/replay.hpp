// What has been received or sent of a stream already (RFC 3711 section 3.3.2), and where its sequence numbers belong.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace ramal {

// Remembers the newest index of a stream and which of the 128 before it came.
class ReplayWindow {
public:
    static constexpr uint64_t kWidth = 128;

    bool started() const { return started_; }
    uint64_t newest() const { return newest_; }
    // False: it came before, or is too old to tell.
    bool fresh(uint64_t index) const {
        if (!started_ || index > newest_) return true;
        const uint64_t age = newest_ - index;
        return age < kWidth && (bits_[age / 64] >> (age % 64) & 1) == 0;
    }
    // True when it is the newest.
    bool note(uint64_t index) {
        if (!started_) {
            *this = ReplayWindow{};
            started_ = true;
            newest_ = index;
            bits_[0] = 1;
            return true;
        }
        if (index <= newest_) {
            const uint64_t age = newest_ - index;
            if (age < kWidth) bits_[age / 64] |= 1ULL << (age % 64);
            return false;
        }
        shift(index - newest_);
        newest_ = index;
        bits_[0] |= 1;
        return true;
    }

private:
    void shift(uint64_t count) {
        if (count >= kWidth) {
            bits_ = {};
        } else if (count >= 64) {
            bits_[1] = bits_[0] << (count - 64);
            bits_[0] = 0;
        } else {
            bits_[1] = bits_[1] << count | bits_[0] >> (64 - count);
            bits_[0] <<= count;
        }
    }

    bool started_ = false;
    uint64_t newest_ = 0;
    // The newest is the lowest bit of the first.
    std::array<uint64_t, 2> bits_{};
};

// The 48-bit index nearest to the newest one that a sequence number can stand for (RFC 3711 section 3.3.1);
// nothing when that is before the stream's first rollover.
inline std::optional<uint64_t> index_of(uint16_t sequence, uint64_t newest) {
    const auto distance = static_cast<int16_t>(sequence - static_cast<uint16_t>(newest));
    const int64_t index = static_cast<int64_t>(newest) + distance;
    if (index < 0) return std::nullopt;
    return static_cast<uint64_t>(index);
}

// The streams that one key protects, told apart by SSRC. The one longest unused makes room for a new one.
class ReplayTable {
public:
    // Null: not seen before.
    ReplayWindow* find(uint32_t ssrc) {
        for (Stream& stream : streams_) {
            if (!stream.window.started() || stream.ssrc != ssrc) continue;
            stream.used = ++clock_;
            return &stream.window;
        }
        return nullptr;
    }
    // Only for one that is not found, and of whom an authentic packet came.
    ReplayWindow& add(uint32_t ssrc) {
        Stream* oldest = &streams_[0];
        for (Stream& stream : streams_) {
            if (stream.used < oldest->used) oldest = &stream;
        }
        *oldest = Stream{ssrc, ++clock_, {}};
        return oldest->window;
    }

private:
    struct Stream {
        uint32_t ssrc = 0;
        uint64_t used = 0;
        ReplayWindow window;
    };
    std::array<Stream, 8> streams_{};
    uint64_t clock_ = 0;
};

}  // namespace ramal
