#include "packet_store.hpp"

#include <algorithm>
#include <bit>
#include <numeric>

namespace ramal {

std::array<uint8_t, PacketStore::kRooms> PacketStore::numbered() {
    std::array<uint8_t, kRooms> order{};
    std::iota(order.begin(), order.end(), uint8_t{0});
    return order;
}

bool PacketStore::add(int64_t time, int64_t duration, bool noise, const uint8_t* payload, size_t size) {
    size_t place = count_;
    while (place > 0 && rooms_[order_[place - 1]].time > time) --place;
    if (place > 0 && rooms_[order_[place - 1]].time == time) return false;
    if (count_ == kRooms) {
        if (place == 0) return false;
        drop_first();
        --place;
    }
    const auto begin = order_.begin();
    std::rotate(begin + static_cast<std::ptrdiff_t>(place), begin + static_cast<std::ptrdiff_t>(count_), begin + static_cast<std::ptrdiff_t>(count_ + 1));
    ++count_;
    StoredPacket& room = rooms_[order_[place]];
    room.time = time;
    room.duration = duration;
    room.noise = noise;
    if (room.payload.capacity() < size) widen(size);
    room.payload.assign(payload, payload + size);
    return true;
}

// All at once, so that a burst later on asks for nothing.
void PacketStore::widen(size_t size) {
    for (StoredPacket& room : rooms_) room.payload.reserve(std::bit_ceil(size));
}

void PacketStore::drop_first() {
    std::rotate(order_.begin(), order_.begin() + 1, order_.begin() + static_cast<std::ptrdiff_t>(count_));
    --count_;
}

}  // namespace ramal
