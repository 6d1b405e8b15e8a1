// The engine: one thread that moves every packet, and the commands by which others direct it.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "endpoint.hpp"
#include "events.hpp"
#include "mixer.hpp"
#include "ports.hpp"
#include "recorder.hpp"
#include "transport.hpp"
#include "writer.hpp"

namespace ramal {

// The engine is closed, or was never given what the call needs.
class EngineClosedError : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

// Public functions may be called from any thread, never wait for the engine's, and take effect in the order of their calls: at its next
// turn, which comes within 50 ms, or at once after a `wake`. Waking costs more than most commands, so many share one.
class Loop final : private PacketSink {
public:
    // Ports are opened at each of the addresses. `media_timeout` in nanoseconds, 0: endpoints may be silent for ever. `recording_buffer`: bytes
    // of recordings that may wait for the disk.
    Loop(const std::vector<SocketAddress>& addresses, uint16_t lowest_port, uint16_t highest_port, int64_t media_timeout, Backend backend,
         size_t recording_buffer);
    ~Loop();
    Loop(const Loop&) = delete;
    Loop& operator=(const Loop&) = delete;

    void start();
    // Closes what is open, and waits until recordings are written. A second call does nothing.
    void stop();
    void wake();

    // `place` is that of the endpoint's address among those of the engine.
    std::shared_ptr<Endpoint> create_endpoint(size_t place);
    void close(const std::shared_ptr<Endpoint>& endpoint);
    void configure(const std::shared_ptr<Endpoint>& endpoint, const EndpointSettings& settings);
    void pack(const std::shared_ptr<Endpoint>& endpoint, int packet_ms);
    // The first keys, or what they become by another offer and answer (RFC 3711, RFC 4568). `encrypted` without keys: they are to come.
    void encrypt(const std::shared_ptr<Endpoint>& endpoint, bool encrypted, const std::optional<SrtpKeys>& keys);
    void multiplex(const std::shared_ptr<Endpoint>& endpoint, bool multiplexed);
    void expect_checks(const std::shared_ptr<Endpoint>& endpoint, const std::string& fragment, const std::string& password);
    void take_handshakes(const std::shared_ptr<Endpoint>& endpoint);
    void send_handshake(const std::shared_ptr<Endpoint>& endpoint, const std::string& datagram);
    void bridge(const std::shared_ptr<Endpoint>& a, const std::shared_ptr<Endpoint>& b);
    void unbridge(const std::shared_ptr<Endpoint>& endpoint);
    void play(const std::shared_ptr<Endpoint>& endpoint, uint32_t playback, Playlist playlist);
    void stop_play(const std::shared_ptr<Endpoint>& endpoint);
    void send_digit(const std::shared_ptr<Endpoint>& endpoint, uint8_t event, uint32_t duration);

    void listen(const std::shared_ptr<Endpoint>& endpoint, const EarSettings& settings);

    // Replaces the one before.
    void tap(const std::shared_ptr<Endpoint>& endpoint, const std::shared_ptr<Tap>& tap);
    // Ends it, where it is still the endpoint's.
    void untap(const std::shared_ptr<Endpoint>& endpoint, const std::shared_ptr<Tap>& tap);

    std::shared_ptr<Mixer> create_mixer();
    // Who sits in a mixer has no peer.
    void join(const std::shared_ptr<Mixer>& mixer, const std::shared_ptr<Endpoint>& endpoint);
    void leave(const std::shared_ptr<Mixer>& mixer, const std::shared_ptr<Endpoint>& endpoint);
    void mute(const std::shared_ptr<Mixer>& mixer, const std::shared_ptr<Endpoint>& endpoint, bool muted);
    void set_gain(const std::shared_ptr<Mixer>& mixer, const std::shared_ptr<Endpoint>& speaker, const std::shared_ptr<Endpoint>& listener,
                  float gain);
    void play(const std::shared_ptr<Mixer>& mixer, Playlist playlist);
    void close(const std::shared_ptr<Mixer>& mixer);

    std::shared_ptr<Recording> create_recording(const std::string& path, int channels, int32_t rate);
    void attach(const std::shared_ptr<Recording>& recording, const std::shared_ptr<Endpoint>& endpoint, int channel);
    // What a mixer lets the endpoint's party hear, beside what it says.
    void attach_heard(const std::shared_ptr<Recording>& recording, const std::shared_ptr<Endpoint>& endpoint, int channel);
    void detach(const std::shared_ptr<Recording>& recording, const std::shared_ptr<Endpoint>& endpoint);
    void pause(const std::shared_ptr<Recording>& recording, bool paused);
    void close(const std::shared_ptr<Recording>& recording);

    EventQueue& events() { return events_; }
    SoundCache& sounds() { return sounds_; }
    int family(size_t place) const { return ports_.at(place)->family(); }
    const char* backend() const { return transport_->name(); }
    size_t ports_in_use() const;
    size_t endpoints() const { return endpoint_count_.get(); }
    uint64_t packets() const { return packets_.get(); }

private:
    using Command = std::function<void(int64_t now)>;
    // Sounds and digits step each 20 ms, in four groups; the rest is looked after once a second, in twenty.
    static constexpr int64_t kTick = 5 * kMillisecond;
    static constexpr int64_t kGroups = 4;
    static constexpr int64_t kSlots = 20;
    static constexpr int64_t kTicksPerSlot = 10;

    void packet(Socket& socket, uint8_t* data, size_t size, const SocketAddress& from) override;
    void batch(int64_t now) override;

    void post(Command command);
    void run();
    void run_commands();
    int64_t time_to_next(int64_t now) const;
    void run_ticks(int64_t now);
    void look_after(size_t slot, int64_t now);
    void step_group(size_t group, int64_t now);
    void schedule(Endpoint& endpoint);
    void remove(const std::shared_ptr<Endpoint>& endpoint);
    void discard(const std::vector<std::unique_ptr<PortPair>>& pairs);
    void part(Endpoint& endpoint);
    void close_all();

    EventQueue events_;
    SoundCache sounds_;
    // By place of their addresses.
    std::vector<std::unique_ptr<PortAllocator>> ports_;
    std::unique_ptr<Transport> transport_;
    std::unique_ptr<Writer> writer_;
    const int64_t media_timeout_;

    std::mutex mutex_;
    std::vector<Command> commands_;
    bool accepting_ = true;
    bool stop_ = false;
    std::atomic<uint32_t> next_id_{1};
    std::thread thread_;

    // The engine's thread's own.
    int64_t now_ = 0;
    int64_t tick_ = 0;
    int64_t next_tick_ = 0;
    std::array<std::vector<std::shared_ptr<Endpoint>>, kSlots> endpoints_;
    std::array<std::vector<std::shared_ptr<Recording>>, kSlots> recordings_;
    std::array<std::vector<Endpoint*>, kGroups> groups_;
    std::array<std::vector<std::shared_ptr<Mixer>>, kGroups> mixers_;
    std::vector<Endpoint*> pending_digits_;
    // Closed while the transport may still speak of them.
    std::vector<std::shared_ptr<Endpoint>> departed_;
    Published<uint64_t> packets_;
    Published<size_t> endpoint_count_;
};

}  // namespace ramal
