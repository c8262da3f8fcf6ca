// The simulated device's float16 operators, as far as mixed precision of a ResNet needs them.
//
// Paddle's CPU has no such kernels. Each one here widens its float16 inputs to float32, calls the CPU's float32
// kernel and rounds the results to float16: the numbers of a card that computes in float16 and adds up in float32.

#include <algorithm>
#include <list>
#include <string>
#include <vector>

#include "paddle/phi/backends/context_pool.h"
#include "paddle/phi/backends/cpu/cpu_context.h"
#include "paddle/phi/backends/custom/custom_context.h"
#include "paddle/phi/core/kernel_factory.h"
#include "paddle/phi/core/kernel_utils.h"
#include "paddle/phi/kernels/activation_grad_kernel.h"
#include "paddle/phi/kernels/activation_kernel.h"
#include "paddle/phi/kernels/amp_kernel.h"
#include "paddle/phi/kernels/batch_norm_grad_kernel.h"
#include "paddle/phi/kernels/batch_norm_kernel.h"
#include "paddle/phi/kernels/compare_kernel.h"
#include "paddle/phi/kernels/conv_grad_kernel.h"
#include "paddle/phi/kernels/conv_kernel.h"
#include "paddle/phi/kernels/cross_entropy_grad_kernel.h"
#include "paddle/phi/kernels/cross_entropy_kernel.h"
#include "paddle/phi/kernels/elementwise_add_grad_kernel.h"
#include "paddle/phi/kernels/elementwise_add_kernel.h"
#include "paddle/phi/kernels/matmul_grad_kernel.h"
#include "paddle/phi/kernels/matmul_kernel.h"
#include "paddle/phi/kernels/mean_all_grad_kernel.h"
#include "paddle/phi/kernels/mean_all_kernel.h"
#include "paddle/phi/kernels/momentum_kernel.h"
#include "paddle/phi/kernels/take_along_axis_kernel.h"

namespace {

using phi::CPUContext;
using phi::DenseTensor;
using float16 = phi::dtype::float16;

const CPUContext& cpu() {
  return *static_cast<CPUContext*>(phi::DeviceContextPool::Instance().Get(phi::CPUPlace()));
}

// The simulated device's memory is the host's, so its pointers can be read here.
DenseTensor on_cpu(const DenseTensor& tensor) {
  DenseTensor copy;
  copy.Resize(tensor.dims());
  if (!tensor.initialized()) return copy;  // an input of which only the shape is used
  if (tensor.dtype() == phi::DataType::FLOAT16) {
    std::copy_n(tensor.data<float16>(), tensor.numel(), cpu().Alloc<float>(&copy));
  } else {
    const auto* bytes = static_cast<const char*>(tensor.data());
    const size_t size = tensor.numel() * phi::SizeOf(tensor.dtype());
    std::copy_n(bytes, size, static_cast<char*>(cpu().Alloc(&copy, tensor.dtype())));
  }
  return copy;
}

// What the CPU's kernel gets for an argument: an attribute as it is, ...
template <typename T>
struct Argument {
  Argument(const phi::CustomContext&, T given) : value(given) {}
  T value;
};

// ... an input as a float32 copy, ...
template <>
struct Argument<const DenseTensor&> {
  Argument(const phi::CustomContext&, const DenseTensor& given) : value(on_cpu(given)) {}
  DenseTensor value;
};

template <>
struct Argument<const paddle::optional<DenseTensor>&> {
  Argument(const phi::CustomContext&, const paddle::optional<DenseTensor>& given) {
    if (given && given->initialized()) value = on_cpu(*given);
  }
  paddle::optional<DenseTensor> value;
};

// ... and for an output a tensor on the CPU, whose content goes to the device after the call.
template <>
struct Argument<DenseTensor*> {
  Argument(const phi::CustomContext& context, DenseTensor* given)
      : context(context), target(given), value(given ? &result : nullptr) {
    if (!target) return;
    result.Resize(target->dims());
    if (target->initialized()) result = on_cpu(*target);  // as batch norm reads the statistics that it updates
  }

  ~Argument() {
    if (!target || !result.initialized()) return;
    target->Resize(result.dims());
    if (target->dtype() == phi::DataType::FLOAT16) {
      std::copy_n(result.data<float>(), result.numel(), context.Alloc<float16>(target));
    } else {
      const size_t size = result.numel() * phi::SizeOf(result.dtype());
      void* memory = context.Alloc(target, result.dtype());
      std::copy_n(static_cast<const char*>(result.data()), size, static_cast<char*>(memory));
    }
  }

  const phi::CustomContext& context;
  DenseTensor* target;
  DenseTensor result;
  DenseTensor* value;
};

// Lists of inputs and of outputs.
template <>
struct Argument<const std::vector<const DenseTensor*>&> {
  Argument(const phi::CustomContext&, const std::vector<const DenseTensor*>& given) : copies(given.size()) {
    for (size_t i = 0; i < given.size(); ++i) value.push_back(&(copies[i] = on_cpu(*given[i])));
  }
  std::vector<DenseTensor> copies;
  std::vector<const DenseTensor*> value;
};

template <>
struct Argument<std::vector<DenseTensor*>> {
  Argument(const phi::CustomContext& context, const std::vector<DenseTensor*>& given) {
    for (DenseTensor* output : given) value.push_back(outputs.emplace_back(context, output).value);
  }
  std::list<Argument<DenseTensor*>> outputs;
  std::vector<DenseTensor*> value;
};

template <const char* name, typename Signature>
struct Widened;

template <const char* name, typename... Args>
struct Widened<name, void (*)(const CPUContext&, Args...)> {
  static void run(const phi::CustomContext& context, Args... args) {
    const phi::KernelKey key(phi::Backend::CPU, phi::DataLayout::ALL_LAYOUT, phi::DataType::FLOAT32);
    const auto& kernel = phi::KernelFactory::Instance().SelectKernel(name, key);
    auto* function = kernel.GetVariadicKernelFn<void (*)(const phi::DeviceContext&, Args...)>();
    (*function)(cpu(), Argument<Args>(context, args).value...);
  }
};

void add(const std::string& name, phi::Kernel kernel) {
  auto& kernels = phi::KernelFactory::Instance().kernels()[name];
  const phi::KernelKey cpu_key(phi::Backend::CPU, phi::DataLayout::ALL_LAYOUT, phi::DataType::FLOAT32);
  const auto backend = phi::TransToPhiBackend(phi::CustomPlace("sdaa"));
  *kernel.mutable_args_def() = kernels.at(cpu_key).args_def();
  for (auto& input : kernel.mutable_args_def()->input_defs()) input.SetBackend(backend);
  for (auto& output : kernel.mutable_args_def()->output_defs()) output.SetBackend(backend);
  kernels[phi::KernelKey(backend, phi::DataLayout::ALL_LAYOUT, phi::DataType::FLOAT16)] = kernel;
}

}  // namespace

// Paddle's name of the operator, and its function, whose signature is all that is used of it.
#define ADD(operator_name, Function)                                                 \
  {                                                                                  \
    static constexpr char name[] = #operator_name;                                   \
    using Wide = Widened<name, decltype(&phi::Function<float, CPUContext>)>;         \
    using Call = phi::KernelImpl<decltype(&Wide::run), &Wide::run>;                  \
    add(name, phi::Kernel(&Call::Compute, reinterpret_cast<void*>(&Call::VariadicCompute)));                   \
  }

void add_float16_kernels() {
  ADD(conv2d, ConvKernel)
  ADD(conv2d_grad, ConvGradKernel)
  ADD(batch_norm, BatchNormKernel)
  ADD(batch_norm_grad, BatchNormGradKernel)
  ADD(relu, ReluKernel)
  ADD(relu_grad, ReluGradKernel)
  ADD(add, AddKernel)
  ADD(add_grad, AddGradKernel)
  ADD(matmul, MatmulKernel)
  ADD(matmul_grad, MatmulGradKernel)
  ADD(cross_entropy_with_softmax, CrossEntropyWithSoftmaxKernel)
  ADD(cross_entropy_with_softmax_grad, CrossEntropyWithSoftmaxGradKernel)
  ADD(mean_all, MeanAllKernel)
  ADD(mean_all_grad, MeanAllGradKernel)
  ADD(check_finite_and_unscale, CheckFiniteAndUnscaleKernel)
  ADD(update_loss_scaling, UpdateLossScalingKernel)
  ADD(momentum, MomentumDenseKernel)
  ADD(take_along_axis, TakeAlongAxisKernel)
  ADD(greater_than, GreaterThanKernel)
}
