// A stand-in, not tt-metal: declarations that host.cpp uses, so that a compiler can read it.
#pragma once
#include <cstdint>
#include <memory>
#include <variant>
#include <vector>

#include "host_api.hpp"

namespace tt::tt_metal::distributed {
class MeshShape {};
class MeshCommandQueue {};

class MeshDevice {
public:
    static std::shared_ptr<MeshDevice> create_unit_mesh(int device);
    MeshCommandQueue& mesh_command_queue();
    const MeshShape& shape() const;
    bool close();
};

struct DeviceLocalBufferConfig {
    uint64_t page_size;
    BufferType buffer_type;
    BufferShardingArgs sharding_args = {};
};
struct ReplicatedBufferConfig {
    uint64_t size;
};
class MeshBuffer {
public:
    static std::shared_ptr<MeshBuffer> create(
        const std::variant<ReplicatedBufferConfig>& config, const DeviceLocalBufferConfig& local, MeshDevice* device);
    uint64_t address() const;
};

struct MeshCoordinateRange {
    explicit MeshCoordinateRange(const MeshShape& shape);
};
class MeshWorkload {
public:
    void add_program(const MeshCoordinateRange& range, Program&& program);
};

template <typename T>
void EnqueueWriteMeshBuffer(
    MeshCommandQueue& queue, const std::shared_ptr<MeshBuffer>& buffer, std::vector<T>& values, bool blocking);
template <typename T>
void EnqueueReadMeshBuffer(
    MeshCommandQueue& queue, std::vector<T>& values, const std::shared_ptr<MeshBuffer>& buffer, bool blocking);
void EnqueueMeshWorkload(MeshCommandQueue& queue, MeshWorkload& workload, bool blocking);
}  // namespace tt::tt_metal::distributed
