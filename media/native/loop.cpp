#include "loop.hpp"

#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>

#include <algorithm>
#include <utility>

namespace ramal {
namespace {

constexpr int kNiceness = -11;

}  // namespace

Loop::Loop(const std::vector<SocketAddress>& addresses, uint16_t lowest_port, uint16_t highest_port, int64_t media_timeout, Backend backend,
           size_t recording_buffer)
    : transport_(make_transport(backend)), writer_(std::make_unique<Writer>(events_, recording_buffer)), media_timeout_(media_timeout) {
    if (addresses.empty()) throw std::invalid_argument("no address");
    for (const SocketAddress& address : addresses) ports_.push_back(std::make_unique<PortAllocator>(address, lowest_port, highest_port));
}

Loop::~Loop() { stop(); }

void Loop::start() {
    const std::lock_guard lock(mutex_);
    if (!accepting_) throw EngineClosedError("the media engine is closed");
    if (!thread_.joinable()) thread_ = std::thread([this] { run(); });
}

void Loop::stop() {
    {
        const std::lock_guard lock(mutex_);
        if (!accepting_) return;
        accepting_ = false;
        commands_.push_back([this](int64_t) { stop_ = true; });
    }
    wake();
    if (thread_.joinable()) {
        thread_.join();
    } else {
        run_commands();
        close_all();
    }
    writer_.reset();
}

void Loop::post(Command command) {
    const std::lock_guard lock(mutex_);
    // What was open when the engine closed is closed already.
    if (accepting_) commands_.push_back(std::move(command));
}

void Loop::wake() { transport_->wake(); }

void Loop::run() {
    pthread_setname_np(pthread_self(), "ramal-media");
    sigset_t blocked;
    sigfillset(&blocked);
    pthread_sigmask(SIG_BLOCK, &blocked, nullptr);
    // Where the process may: voice goes before everything that can wait. On Linux this is the thread's alone.
    setpriority(PRIO_PROCESS, 0, kNiceness);
    transport_->begin();
    next_tick_ = monotonic_ns();
    while (!stop_) {
        transport_->wait(*this, time_to_next(monotonic_ns()));
        if (!departed_.empty()) transport_->flush();
        departed_.clear();
        run_ticks(monotonic_ns());
    }
    close_all();
    transport_->end();
}

// Commands come first: who configures an endpoint and then speaks to it is heard under the new configuration.
void Loop::batch(int64_t now) {
    run_commands();
    now_ = now;
}

void Loop::packet(Socket& socket, uint8_t* data, size_t size, const SocketAddress& from) {
    packets_.add(1);
    if (socket.owner == nullptr) return;
    Endpoint& endpoint = *socket.owner;
    if (socket.control) return endpoint.rtcp_received(data, size, from, now_, false);
    endpoint.rtp_received(data, size, from, now_);
    if (endpoint.wakes_peer) {
        endpoint.wakes_peer = false;
        if (endpoint.peer() != nullptr) schedule(*endpoint.peer());
    }
    if (!endpoint.digit_pending() || endpoint.in_digits) return;
    endpoint.in_digits = true;
    pending_digits_.push_back(&endpoint);
}

void Loop::run_commands() {
    std::vector<Command> commands;
    {
        const std::lock_guard lock(mutex_);
        if (commands_.empty()) return;
        commands = std::exchange(commands_, {});
    }
    const int64_t now = monotonic_ns();
    for (const Command& command : commands) command(now);
}

int64_t Loop::time_to_next(int64_t now) const {
    const auto busy = [](const auto& group) { return !group.empty(); };
    const bool stepping = std::any_of(groups_.begin(), groups_.end(), busy) || std::any_of(mixers_.begin(), mixers_.end(), busy);
    const int64_t ticks = stepping ? 0 : (kTicksPerSlot - tick_ % kTicksPerSlot) % kTicksPerSlot;
    return std::max<int64_t>(0, next_tick_ + ticks * kTick - now);
}

void Loop::run_ticks(int64_t now) {
    // After a long stall the past is left alone: a burst of old sound helps nobody.
    constexpr int64_t kLongestCatchUp = 200 * kMillisecond;
    if (now - next_tick_ > kLongestCatchUp) next_tick_ += (now - next_tick_) / kTick * kTick;
    for (; next_tick_ <= now; next_tick_ += kTick, ++tick_) {
        step_group(static_cast<size_t>(tick_ % kGroups), now);
        if (tick_ % kTicksPerSlot == 0) look_after(static_cast<size_t>(tick_ / kTicksPerSlot % kSlots), now);
        if (tick_ % (kTicksPerSlot * kSlots) == 0) {
            for (const auto& ports : ports_) discard(ports->unwanted(now));
        }
        // An endpoint has room for one packet of its own, and may step again at once when the clock is ahead.
        transport_->flush();
    }
}

void Loop::look_after(size_t slot, int64_t now) {
    for (const auto& endpoint : endpoints_[slot]) endpoint->supervise(now, media_timeout_);
    for (const auto& recording : recordings_[slot]) recording->flush(*writer_, now);
    std::erase_if(pending_digits_, [now](Endpoint* endpoint) {
        endpoint->expire_digit(now);
        endpoint->in_digits = endpoint->digit_pending();
        return !endpoint->in_digits;
    });
}

void Loop::step_group(size_t group, int64_t now) {
    for (const auto& mixer : mixers_[group]) mixer->step(now);
    std::erase_if(groups_[group], [now](Endpoint* endpoint) {
        endpoint->tick(now);
        endpoint->in_ticks = endpoint->ticking();
        return !endpoint->in_ticks;
    });
}

void Loop::schedule(Endpoint& endpoint) {
    if (endpoint.in_ticks) return;
    endpoint.in_ticks = true;
    groups_[static_cast<size_t>(tick_ % kGroups)].push_back(&endpoint);
}

size_t Loop::ports_in_use() const {
    size_t used = 0;
    for (const auto& ports : ports_) used += ports->in_use();
    return used;
}

std::shared_ptr<Endpoint> Loop::create_endpoint(size_t place) {
    {
        const std::lock_guard lock(mutex_);
        if (!accepting_) throw EngineClosedError("the media engine is closed");
    }
    const auto endpoint = std::make_shared<Endpoint>(next_id_++, ports_.at(place)->take(), *transport_, events_, monotonic_ns());
    post([this, endpoint](int64_t) {
        endpoints_[endpoint->id % kSlots].push_back(endpoint);
        endpoint_count_.add(1);
        PortPair& pair = *endpoint->pair;
        pair.rtp.owner = pair.rtcp.owner = endpoint.get();
        if (pair.watched) return;
        pair.watched = true;
        transport_->add(pair.rtp);
        transport_->add(pair.rtcp);
    });
    return endpoint;
}

void Loop::close(const std::shared_ptr<Endpoint>& endpoint) {
    post([this, endpoint](int64_t) {
        if (!endpoint->closed) remove(endpoint);
    });
}

void Loop::remove(const std::shared_ptr<Endpoint>& endpoint) {
    part(*endpoint);
    endpoint->retire();
    endpoint->pair->rtp.owner = endpoint->pair->rtcp.owner = nullptr;
    for (auto& group : groups_) std::erase(group, endpoint.get());
    std::erase(pending_digits_, endpoint.get());
    std::erase(endpoints_[endpoint->id % kSlots], endpoint);
    endpoint_count_.set(endpoint_count_.get() - 1);
    endpoint->pair->owner->give_back(endpoint->pair, monotonic_ns());
    departed_.push_back(endpoint);
}

void Loop::discard(const std::vector<std::unique_ptr<PortPair>>& pairs) {
    for (const auto& pair : pairs) {
        if (pair->watched) {
            transport_->remove(pair->rtp);
            transport_->remove(pair->rtcp);
        }
        PortAllocator::discard(*pair);
    }
}

void Loop::configure(const std::shared_ptr<Endpoint>& endpoint, const EndpointSettings& settings) {
    post([endpoint, settings](int64_t now) {
        if (!endpoint->closed) endpoint->configure(settings, now);
    });
}

void Loop::pack(const std::shared_ptr<Endpoint>& endpoint, int packet_ms) {
    post([endpoint, packet_ms](int64_t) { endpoint->pack(packet_ms); });
}

void Loop::encrypt(const std::shared_ptr<Endpoint>& endpoint, bool encrypted, const std::optional<SrtpKeys>& keys) {
    post([endpoint, encrypted, keys](int64_t) {
        endpoint->encrypt(encrypted);
        if (keys) endpoint->change_keys(*keys);
    });
}

void Loop::multiplex(const std::shared_ptr<Endpoint>& endpoint, bool multiplexed) {
    post([endpoint, multiplexed](int64_t) { endpoint->multiplex(multiplexed); });
}

void Loop::expect_checks(const std::shared_ptr<Endpoint>& endpoint, const std::string& fragment, const std::string& password) {
    post([endpoint, fragment, password](int64_t now) { endpoint->expect_checks(fragment, password, now); });
}

void Loop::take_handshakes(const std::shared_ptr<Endpoint>& endpoint) {
    post([endpoint](int64_t) { endpoint->take_handshakes(); });
}

void Loop::send_handshake(const std::shared_ptr<Endpoint>& endpoint, const std::string& datagram) {
    post([this, endpoint, datagram](int64_t) {
        if (endpoint->closed) return;
        endpoint->send_handshake(reinterpret_cast<const uint8_t*>(datagram.data()), datagram.size());
        // The command's own bytes are gone with it.
        transport_->flush();
    });
}

void Loop::part(Endpoint& endpoint) {
    if (endpoint.seat() != nullptr) endpoint.seat()->mixer.remove(endpoint);
    if (endpoint.peer() == nullptr) return;
    endpoint.peer()->set_peer(nullptr);
    endpoint.set_peer(nullptr);
}

void Loop::bridge(const std::shared_ptr<Endpoint>& a, const std::shared_ptr<Endpoint>& b) {
    post([this, a, b](int64_t) {
        if (a->closed || b->closed || a == b || a->peer() == b.get()) return;
        part(*a);
        part(*b);
        a->set_peer(b.get());
        b->set_peer(a.get());
    });
}

void Loop::unbridge(const std::shared_ptr<Endpoint>& endpoint) {
    post([this, endpoint](int64_t) { part(*endpoint); });
}

void Loop::play(const std::shared_ptr<Endpoint>& endpoint, uint32_t playback, Playlist playlist) {
    post([this, endpoint, playback, playlist = std::move(playlist)](int64_t) {
        if (endpoint->closed) return events_.push({EventKind::playback_ended, endpoint->id, playback, 0});
        endpoint->play(playback, playlist);
        schedule(*endpoint);
    });
}

void Loop::stop_play(const std::shared_ptr<Endpoint>& endpoint) {
    post([endpoint](int64_t) { endpoint->stop_play(); });
}

void Loop::send_digit(const std::shared_ptr<Endpoint>& endpoint, uint8_t event, uint32_t duration) {
    post([this, endpoint, event, duration](int64_t) {
        if (endpoint->closed) return;
        endpoint->send_digit(event, duration);
        schedule(*endpoint);
    });
}

void Loop::listen(const std::shared_ptr<Endpoint>& endpoint, const EarSettings& settings) {
    post([endpoint, settings](int64_t) {
        if (!endpoint->closed) endpoint->listen(settings);
    });
}

void Loop::tap(const std::shared_ptr<Endpoint>& endpoint, const std::shared_ptr<Tap>& tap) {
    post([this, endpoint, tap](int64_t) {
        if (endpoint->closed) return tap->end();
        endpoint->tap(tap);
        schedule(*endpoint);
    });
}

void Loop::untap(const std::shared_ptr<Endpoint>& endpoint, const std::shared_ptr<Tap>& tap) {
    post([endpoint, tap](int64_t) {
        if (endpoint->tapped() == tap) endpoint->tap(nullptr);
    });
}

std::shared_ptr<Mixer> Loop::create_mixer() {
    const auto mixer = std::make_shared<Mixer>(next_id_++, events_);
    post([this, mixer](int64_t) { mixers_[mixer->id % kGroups].push_back(mixer); });
    return mixer;
}

void Loop::join(const std::shared_ptr<Mixer>& mixer, const std::shared_ptr<Endpoint>& endpoint) {
    post([this, mixer, endpoint](int64_t) {
        if (mixer->closed || endpoint->closed || (endpoint->seat() != nullptr && &endpoint->seat()->mixer == mixer.get())) return;
        part(*endpoint);
        mixer->add(*endpoint);
    });
}

void Loop::leave(const std::shared_ptr<Mixer>& mixer, const std::shared_ptr<Endpoint>& endpoint) {
    post([mixer, endpoint](int64_t) { mixer->remove(*endpoint); });
}

void Loop::mute(const std::shared_ptr<Mixer>& mixer, const std::shared_ptr<Endpoint>& endpoint, bool muted) {
    post([mixer, endpoint, muted](int64_t) { mixer->mute(*endpoint, muted); });
}

void Loop::set_gain(const std::shared_ptr<Mixer>& mixer, const std::shared_ptr<Endpoint>& speaker, const std::shared_ptr<Endpoint>& listener,
                    float gain) {
    post([mixer, speaker, listener, gain](int64_t) { mixer->set_gain(*speaker, *listener, gain); });
}

void Loop::play(const std::shared_ptr<Mixer>& mixer, Playlist playlist) {
    post([mixer, playlist = std::move(playlist)](int64_t) { mixer->play(playlist); });
}

void Loop::close(const std::shared_ptr<Mixer>& mixer) {
    post([this, mixer](int64_t) {
        if (mixer->closed) return;
        mixer->closed = true;
        mixer->clear();
        std::erase(mixers_[mixer->id % kGroups], mixer);
    });
}

std::shared_ptr<Recording> Loop::create_recording(const std::string& path, int channels, int32_t rate) {
    const uint32_t id = next_id_++;
    const auto file = std::make_shared<RecordingFile>(id, path, channels, rate);
    const auto recording = std::make_shared<Recording>(file, monotonic_ns());
    const std::lock_guard lock(mutex_);
    if (!accepting_) throw EngineClosedError("the media engine is closed");
    // Of no length: it creates the file, or tells at once that it cannot be had.
    writer_->submit({file});
    commands_.push_back([this, recording](int64_t) { recordings_[recording->id() % kSlots].push_back(recording); });
    return recording;
}

void Loop::attach(const std::shared_ptr<Recording>& recording, const std::shared_ptr<Endpoint>& endpoint, int channel) {
    post([recording, endpoint, channel](int64_t) {
        if (!recording->closed() && !endpoint->closed) endpoint->record_to(recording->add_track(channel), recording->id());
    });
}

void Loop::attach_heard(const std::shared_ptr<Recording>& recording, const std::shared_ptr<Endpoint>& endpoint, int channel) {
    post([recording, endpoint, channel](int64_t) {
        if (!recording->closed() && !endpoint->closed) endpoint->record_heard_to(recording->add_track(channel), recording->id());
    });
}

void Loop::detach(const std::shared_ptr<Recording>& recording, const std::shared_ptr<Endpoint>& endpoint) {
    post([recording, endpoint](int64_t) {
        if (endpoint->recording() == recording->id()) endpoint->record_to(nullptr, 0);
        if (endpoint->heard_recording() == recording->id()) endpoint->record_heard_to(nullptr, 0);
    });
}

void Loop::pause(const std::shared_ptr<Recording>& recording, bool paused) {
    post([recording, paused](int64_t) { recording->pause(paused); });
}

void Loop::close(const std::shared_ptr<Recording>& recording) {
    post([this, recording](int64_t now) {
        recording->close(*writer_, now);
        std::erase(recordings_[recording->id() % kSlots], recording);
    });
}

void Loop::close_all() {
    const int64_t now = monotonic_ns();
    for (auto& recordings : recordings_) {
        for (const auto& recording : recordings) recording->close(*writer_, now);
        recordings.clear();
    }
    for (auto& endpoints : endpoints_) {
        while (!endpoints.empty()) remove(std::shared_ptr<Endpoint>(endpoints.back()));
    }
    for (auto& mixers : mixers_) mixers.clear();
    departed_.clear();
    for (const auto& ports : ports_) discard(ports->idle());
}

}  // namespace ramal
