#include "packing.hpp"

#include <algorithm>

namespace ramal {

void Packing::add(const uint8_t* payload, size_t size, int64_t now) {
    if (now - since_ > kStale) forget();
    since_ = now;
    std::copy(bytes_.data() + begin_, bytes_.data() + end_, bytes_.data());
    end_ -= begin_;
    begin_ = 0;
    const size_t in_ms = std::max<size_t>(size / kFrameMs, 1);
    length_ms_ = std::min(packet_ms, static_cast<int>(kLargestOwnPayload / in_ms));
    packet_ = in_ms * static_cast<size_t>(length_ms_);
    std::copy_n(payload, size, bytes_.data() + end_);
    end_ += size;
}

std::span<const uint8_t> Packing::next(bool all) {
    const size_t held = end_ - begin_;
    const size_t size = held >= packet_ ? packet_ : all ? held : 0;
    const std::span<const uint8_t> payload(bytes_.data() + begin_, size);
    begin_ += size;
    return payload;
}

}  // namespace ramal
