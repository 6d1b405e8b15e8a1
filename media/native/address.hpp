// Addresses of datagram sockets, IPv4 and IPv6, by value.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdint>
#include <optional>
#include <string>

namespace ramal {

struct SocketAddress {
    union {
        sockaddr any;
        sockaddr_in v4;
        sockaddr_in6 v6;
    };
    socklen_t length = 0;

    SocketAddress() : v6{} {}

    // Reads a literal address; names are not looked up.
    static std::optional<SocketAddress> parse(const std::string& host, uint16_t port);

    bool empty() const { return length == 0; }
    int family() const { return any.sa_family; }
    uint16_t port() const;
    SocketAddress with_port(uint16_t port) const;
    std::string host() const;
    bool same_host(const SocketAddress& other) const;
    bool operator==(const SocketAddress& other) const { return same_host(other) && port() == other.port(); }
};

}  // namespace ramal
