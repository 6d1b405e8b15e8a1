// Digits as telephone events (RFC 4733): received once each, and sent.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace ramal {

struct Digit {
    char symbol;
    // In units of the stream's clock.
    uint32_t duration;
};

// Digits found by one packet: the one it completes, and one before it whose end was lost.
struct FoundDigits {
    std::array<Digit, 2> digits{};
    size_t count = 0;
    void add(Digit digit) { digits[count++] = digit; }
};

// The event's code, or nothing for what is no digit.
std::optional<uint8_t> event_code(char symbol);

// Tells digits apart by the timestamp of their event: however many packets of one are lost or repeated, it is one digit.
class DigitReceiver {
public:
    FoundDigits packet(uint32_t timestamp, const uint8_t* payload, size_t size, int64_t now);
    // A digit whose end packets were all lost, some time after its last packet.
    std::optional<Digit> expire(int64_t now);
    // Timestamps begin anew.
    void reset() { active_ = have_last_ = false; }
    bool active() const { return active_; }

private:
    Digit finish();

    bool active_ = false;
    uint8_t event_ = 0;
    uint32_t timestamp_ = 0;
    uint32_t duration_ = 0;
    int64_t seen_ = 0;
    bool have_last_ = false;
    uint32_t last_timestamp_ = 0;
};

// What is to be sent in a step of 20 ms.
struct EventPacket {
    uint8_t payload[4];
    bool first;
    // The end once more.
    bool repeated;
};

// Turns queued digits into event packets, one each 20 ms, the end three times, then a pause.
class DigitSender {
public:
    static constexpr size_t kLongestQueue = 64;

    // `duration` in samples at 8 kHz. False when the queue is full.
    bool add(uint8_t event, uint32_t duration);
    bool busy() const { return !queue_.empty(); }
    // Nothing in the pause between digits. `clock`: hertz of the stream's timestamps.
    std::optional<EventPacket> step(int32_t clock);

private:
    struct Waiting {
        uint8_t event;
        uint32_t duration;
    };
    // Empty in most calls, where it takes no memory.
    std::vector<Waiting> queue_;
    uint32_t elapsed_ = 0;
    int ends_ = 0;
    int pause_ = 0;
};

}  // namespace ramal
