#include "transport.hpp"

#include <system_error>

namespace ramal {

std::unique_ptr<Transport> make_transport(Backend backend) {
    if (backend == Backend::epoll) return make_epoll_transport();
    if (backend == Backend::uring) return make_uring_transport();
    try {
        return make_uring_transport();
    } catch (const std::system_error&) {
        return make_epoll_transport();
    }
}

}  // namespace ramal
