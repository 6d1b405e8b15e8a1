// What the engine tells Python, through one eventfd.
#pragma once

#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

namespace ramal {

// The numbers are those of media/engine.py.
enum class EventKind : uint8_t {
    digit_received = 1,
    first_packet = 2,
    media_timeout = 3,
    playback_ended = 4,
    recording_failed = 5,
    recording_closed = 6,
    speaker_changed = 20,
    voice_began = 21,
    voice_ended = 22,
    handshake_received = 30,
    consent_lost = 31,
};

struct Event {
    EventKind kind;
    // The endpoint's, the recording's or the mixer's.
    uint32_t id;
    // A digit's symbol, a playback's id, the endpoint of who speaks in a mixer.
    uint32_t number = 0;
    // Milliseconds of a digit, seconds of silence, of loss, or of what was before a change between voice and silence; 1 when a playback came to its end.
    double value = 0;
    // Or a datagram of DTLS.
    std::string reason = {};
};

// Filled by the engine's and the writer's thread, emptied by Python's.
class EventQueue {
public:
    EventQueue();
    ~EventQueue();
    EventQueue(const EventQueue&) = delete;
    EventQueue& operator=(const EventQueue&) = delete;

    void push(Event event);
    std::vector<Event> take();
    int descriptor() const { return descriptor_; }

private:
    static constexpr size_t kMost = 1 << 16;
    const int descriptor_;
    std::mutex mutex_;
    std::vector<Event> events_;
};

}  // namespace ramal
