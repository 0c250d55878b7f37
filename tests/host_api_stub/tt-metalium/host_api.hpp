// A stand-in, not tt-metal: declarations that host.cpp uses, so that a compiler can read it.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <variant>
#include <vector>

namespace tt {
enum class DataFormat : uint8_t { Float16, Float16_b, Float32, Bfp8_b, Bfp4_b, Int32, UInt32, UInt16, UInt8 };

namespace tt_metal {
enum class MathFidelity : uint8_t { LoFi, HiFi2, HiFi3, HiFi4 };
enum class UnpackToDestMode : uint8_t { UnpackToDestFp32, Default };
enum class BufferType : uint8_t { DRAM, L1 };
using KernelHandle = uint32_t;
using CBHandle = uintptr_t;

struct CoreCoord {
    CoreCoord(size_t x, size_t y);
};
struct CoreRange {
    CoreRange(const CoreCoord& first, const CoreCoord& last);
};
class CoreRangeSet {
public:
    explicit CoreRangeSet(std::vector<CoreRange> ranges);
};

enum class TensorMemoryLayout : uint8_t { INTERLEAVED, HEIGHT_SHARDED, WIDTH_SHARDED, BLOCK_SHARDED };
enum class ShardOrientation : uint8_t { ROW_MAJOR, COL_MAJOR };
struct ShardSpecBuffer {
    ShardSpecBuffer(
        const CoreRangeSet& cores,
        const std::array<uint32_t, 2>& shard_shape,
        const ShardOrientation& orientation,
        const std::array<uint32_t, 2>& page_shape,
        const std::array<uint32_t, 2>& tensor2d_shape_in_pages);
};
class BufferShardingArgs {
public:
    BufferShardingArgs() = default;
    BufferShardingArgs(std::optional<ShardSpecBuffer> shard_spec, TensorMemoryLayout buffer_layout);
};

class Program {
public:
    Program(Program&&) noexcept;
    Program(const Program&) = delete;
};
Program CreateProgram();

class CircularBufferConfig {
public:
    CircularBufferConfig(uint32_t total_size, const std::map<uint8_t, tt::DataFormat>& formats);
    CircularBufferConfig& set_page_size(uint8_t index, uint32_t bytes);
};
CBHandle CreateCircularBuffer(Program& program, const CoreRangeSet& cores, const CircularBufferConfig& config);

struct DataMovementConfig {};
struct ReaderDataMovementConfig : DataMovementConfig {
    ReaderDataMovementConfig(
        std::vector<uint32_t> compile_args = {},
        std::map<std::string, std::string> defines = {},
        std::unordered_map<std::string, uint32_t> named_compile_args = {});
};
struct WriterDataMovementConfig : DataMovementConfig {
    WriterDataMovementConfig(
        std::vector<uint32_t> compile_args = {},
        std::map<std::string, std::string> defines = {},
        std::unordered_map<std::string, uint32_t> named_compile_args = {});
};
struct ComputeConfig {
    MathFidelity math_fidelity = MathFidelity::HiFi4;
    bool fp32_dest_acc_en = false;
    bool dst_full_sync_en = false;
    std::vector<UnpackToDestMode> unpack_to_dest_mode;
    bool bfp8_pack_precise = false;
    bool math_approx_mode = false;
    std::vector<uint32_t> compile_args;
    std::map<std::string, std::string> defines;
    std::unordered_map<std::string, uint32_t> named_compile_args;
};
KernelHandle CreateKernel(
    Program& program,
    const std::string& path,
    const CoreRangeSet& cores,
    const std::variant<DataMovementConfig, ComputeConfig>& config);

void SetRuntimeArgs(
    const Program& program, KernelHandle kernel, const CoreCoord& core, const std::vector<uint32_t>& args);
void SetCommonRuntimeArgs(const Program& program, KernelHandle kernel, const std::vector<uint32_t>& args);
}  // namespace tt_metal
}  // namespace tt
