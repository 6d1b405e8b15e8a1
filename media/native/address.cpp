#include "address.hpp"

#include <arpa/inet.h>

#include <cstring>

namespace ramal {

std::optional<SocketAddress> SocketAddress::parse(const std::string& host, uint16_t port) {
    SocketAddress result;
    if (inet_pton(AF_INET, host.c_str(), &result.v4.sin_addr) == 1) {
        result.v4.sin_family = AF_INET;
        result.v4.sin_port = htons(port);
        result.length = sizeof(sockaddr_in);
        return result;
    }
    result.v6 = {};
    if (inet_pton(AF_INET6, host.c_str(), &result.v6.sin6_addr) == 1) {
        result.v6.sin6_family = AF_INET6;
        result.v6.sin6_port = htons(port);
        result.length = sizeof(sockaddr_in6);
        return result;
    }
    return std::nullopt;
}

// The port stands at the same place in both families.
uint16_t SocketAddress::port() const { return ntohs(v4.sin_port); }

SocketAddress SocketAddress::with_port(uint16_t port) const {
    SocketAddress result = *this;
    result.v4.sin_port = htons(port);
    return result;
}

std::string SocketAddress::host() const {
    char text[INET6_ADDRSTRLEN] = "";
    if (empty()) return text;
    const void* address = family() == AF_INET ? static_cast<const void*>(&v4.sin_addr) : &v6.sin6_addr;
    inet_ntop(family(), address, text, sizeof text);
    return text;
}

bool SocketAddress::same_host(const SocketAddress& other) const {
    if (length != other.length || length == 0) return length == other.length;
    if (family() == AF_INET) return v4.sin_addr.s_addr == other.v4.sin_addr.s_addr;
    return std::memcmp(&v6.sin6_addr, &other.v6.sin6_addr, sizeof(in6_addr)) == 0;
}

}  // namespace ramal
