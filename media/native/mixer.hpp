// Several parties who hear each other: each one everybody but itself, by a matrix of gains.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "clock.hpp"
#include "events.hpp"
#include "sound.hpp"
#include "voice.hpp"

namespace ramal {

class Endpoint;
class Mixer;

// One party's place: each step of the mixer takes what it says, and hands back what it is to hear.
class Seat {
public:
    Seat(Mixer& mixer, Endpoint& endpoint) : mixer(mixer), endpoint(endpoint) {}
    Seat(const Seat&) = delete;
    Seat& operator=(const Seat&) = delete;

    Mixer& mixer;
    Endpoint& endpoint;

private:
    friend class Mixer;
    VoiceDetector voice_;
    bool muted_ = false;
    // Of this step: it is in the sum.
    bool audible_ = false;
    std::array<int16_t, kFrameSamples> frame_{};
    // How loud this one hears another, where that is not 1; by the other's endpoint.
    std::unordered_map<uint32_t, float> gains_;
};

// All is for the engine's thread.
class Mixer {
public:
    Mixer(uint32_t id, EventQueue& events) : id(id), events_(events) {}
    Mixer(const Mixer&) = delete;
    Mixer& operator=(const Mixer&) = delete;
    ~Mixer() { clear(); }

    // A second call for the same endpoint does nothing; one that sits elsewhere leaves there.
    void add(Endpoint& endpoint);
    void remove(Endpoint& endpoint);
    // All leave.
    void clear();
    // Nobody hears the muted one.
    void mute(Endpoint& endpoint, bool muted);
    // 0: `listener` does not hear `speaker`.
    void set_gain(const Endpoint& speaker, Endpoint& listener, float gain);
    // Plays to all at once, in the place of what is being played to all.
    void play(Playlist playlist) { sound_ = std::move(playlist); }
    // Every 20 ms.
    void step(int64_t now);
    bool empty() const { return seats_.empty(); }

    const uint32_t id;
    bool closed = false;

private:
    // In larger rooms only those who speak are let through: the noise of many lines is loud.
    static constexpr size_t kSmallRoom = 6;
    using Sum = std::array<int32_t, kFrameSamples>;

    void listen(Seat& seat);
    void speak(Seat& seat, int64_t now);
    void tell_speaker(int64_t now);

    EventQueue& events_;
    std::vector<std::unique_ptr<Seat>> seats_;
    std::optional<Playlist> sound_;
    Sum sum_{};
    // The endpoint of who speaks, 0: nobody; and since when another one has been louder.
    uint32_t speaker_ = 0;
    uint32_t candidate_ = 0;
    int64_t candidate_since_ = 0;
};

}  // namespace ramal
