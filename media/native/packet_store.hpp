// Packets of one stream in the order of their time, until they are decoded.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace ramal {

struct StoredPacket {
    // On the stream's own line, which never wraps.
    int64_t time;
    // In units of the RTP clock; 0 for comfort noise.
    int64_t duration;
    bool noise;
    std::vector<uint8_t> payload;
};

// Payloads are copied into rooms that grow to the largest of the stream and are used again.
class PacketStore {
public:
    // False: there is one of that time already. When it is full the oldest goes.
    bool add(int64_t time, int64_t duration, bool noise, const uint8_t* payload, size_t size);
    bool empty() const { return count_ == 0; }
    // The oldest; only when not empty.
    const StoredPacket& first() const { return rooms_[order_[0]]; }
    // The end of the newest; only when not empty.
    int64_t end() const { return rooms_[order_[count_ - 1]].time + rooms_[order_[count_ - 1]].duration; }
    void drop_first();
    void clear() { count_ = 0; }

private:
    static constexpr size_t kRooms = 48;

    std::array<StoredPacket, kRooms> rooms_{};
    // Rooms in use by time, then the free ones.
    std::array<uint8_t, kRooms> order_ = numbered();
    size_t count_ = 0;

    void widen(size_t size);
    static std::array<uint8_t, kRooms> numbered();
};

}  // namespace ramal
