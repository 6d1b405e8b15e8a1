#include "dtmf.hpp"

#include <algorithm>
#include <cstring>

#include "bytes.hpp"
#include "clock.hpp"

namespace ramal {
namespace {

constexpr char kSymbols[] = "0123456789*#ABCD";
constexpr int64_t kEndLost = 250 * kMillisecond;
constexpr int kEndRepeats = 3;
constexpr int kPauseSteps = 4;
constexpr uint8_t kVolume = 10;

}  // namespace

std::optional<uint8_t> event_code(char symbol) {
    const char* found = symbol == '\0' ? nullptr : std::strchr(kSymbols, symbol);
    if (found == nullptr) return std::nullopt;
    return static_cast<uint8_t>(found - kSymbols);
}

Digit DigitReceiver::finish() {
    active_ = false;
    have_last_ = true;
    last_timestamp_ = timestamp_;
    return {kSymbols[event_], duration_};
}

FoundDigits DigitReceiver::packet(uint32_t timestamp, const uint8_t* payload, size_t size, int64_t now) {
    FoundDigits found;
    if (size < 4 || payload[0] > 15) return found;
    if (have_last_ && static_cast<int32_t>(timestamp - last_timestamp_) <= 0) return found;
    if (active_ && timestamp != timestamp_) {
        if (static_cast<int32_t>(timestamp - timestamp_) < 0) return found;
        found.add(finish());
    }
    if (!active_) {
        active_ = true;
        event_ = payload[0];
        timestamp_ = timestamp;
        duration_ = 0;
    }
    seen_ = now;
    duration_ = std::max<uint32_t>(duration_, get16(payload + 2));
    if (payload[1] & 0x80) found.add(finish());
    return found;
}

std::optional<Digit> DigitReceiver::expire(int64_t now) {
    if (!active_ || now - seen_ < kEndLost) return std::nullopt;
    return finish();
}

bool DigitSender::add(uint8_t event, uint32_t duration) {
    if (queue_.size() >= kLongestQueue) return false;
    queue_.push_back({event, std::clamp<uint32_t>(duration, 2 * kFrameSamples, 0xFFFF)});
    return true;
}

std::optional<EventPacket> DigitSender::step(int32_t clock) {
    if (pause_ > 0) {
        if (--pause_ == 0) queue_.erase(queue_.begin());
        return std::nullopt;
    }
    const Waiting& digit = queue_.front();
    EventPacket packet{};
    packet.first = elapsed_ == 0;
    packet.repeated = ends_ > 0;
    elapsed_ = std::min<uint32_t>(elapsed_ + kFrameSamples, digit.duration);
    const bool end = elapsed_ >= digit.duration;
    packet.payload[0] = digit.event;
    packet.payload[1] = static_cast<uint8_t>((end ? 0x80 : 0) | kVolume);
    // What a fast clock cannot count any more stays at the most that there is.
    const int64_t units = elapsed_ * static_cast<int64_t>(clock) / kSampleRate;
    put16(packet.payload + 2, static_cast<uint16_t>(std::min<int64_t>(units, 0xFFFF)));
    if (end && ++ends_ == kEndRepeats) {
        elapsed_ = 0;
        ends_ = 0;
        pause_ = kPauseSteps;
    }
    return packet;
}

}  // namespace ramal
