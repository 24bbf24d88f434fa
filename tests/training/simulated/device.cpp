// A device that torch takes for another than the processor: its memory is apart by name alone, and the processor
// computes for it, to the same bits. It refuses tensors of two devices in one operation, as a GPU does, and generators
// that are not its own.
//
// By https://docs.pytorch.org/tutorials/advanced/privateuseone.html

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/EmptyTensor.h>
#include <ATen/detail/PrivateUse1HooksInterface.h>
#include <ATen/native/CPUFallback.h>
#include <ATen/native/Resize.h>
#include <ATen/ops/_reshape_alias_native.h>
#include <ATen/ops/as_strided_native.h>
#include <ATen/ops/unfold_native.h>
#include <ATen/ops/view_native.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <c10/core/impl/alloc_cpu.h>
#include <torch/library.h>

namespace {

using at::Tensor;
using c10::Device;
using c10::IntArrayRef;
using c10::Stream;
using std::optional;

constexpr auto kind = c10::DeviceType::PrivateUse1;
const c10::DispatchKeySet keys(c10::DispatchKey::PrivateUse1);

Device here() { return Device(kind, 0); }

struct Allocator final : c10::Allocator {
  static void release(void* data) { c10::free_cpu(data); }
  c10::DataPtr allocate(size_t bytes) override {
    void* data = c10::alloc_cpu(bytes);
    return {data, data, &release, here()};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &release; }
  void copy_data(void* to, const void* from, std::size_t bytes) const override { memcpy(to, from, bytes); }
};

Allocator allocator;
REGISTER_ALLOCATOR(kind, &allocator)

struct Guard final : c10::impl::DeviceGuardImplInterface {
  static Stream stream() { return Stream(Stream::DEFAULT, here()); }
  c10::DeviceType type() const override { return kind; }
  Device exchangeDevice(Device) const override { return here(); }
  Device getDevice() const override { return here(); }
  void setDevice(Device) const override {}
  void uncheckedSetDevice(Device) const noexcept override {}
  Stream getStream(Device) const override { return stream(); }
  Stream getDefaultStream(Device) const override { return stream(); }
  Stream exchangeStream(Stream) const override { return stream(); }
  c10::DeviceIndex deviceCount() const noexcept override { return 1; }
};

C10_REGISTER_GUARD_IMPL(PrivateUse1, Guard)

struct Generator final : at::CPUGeneratorImpl {
  Generator() {
    device_ = here();
    key_set_ = keys;
  }
};

at::Generator& default_generator() {
  static at::Generator generator = at::make_generator<Generator>();
  return generator;
}

struct Hooks final : at::PrivateUse1HooksInterface {
  const at::Generator& getDefaultGenerator(c10::DeviceIndex) const override { return default_generator(); }
  at::Generator getNewGenerator(c10::DeviceIndex) const override { return at::make_generator<Generator>(); }
  bool hasPrimaryContext(c10::DeviceIndex) const override { return true; }
  bool isBuilt() const override { return true; }
  bool isAvailable() const override { return true; }
  void init() const override {}
};

const bool registered = (at::RegisterPrivateUse1HooksInterface(new Hooks()), true);

// The same memory as a tensor of the processor.
Tensor seen(const Tensor& t) {
  if (!t.defined() || t.device().is_cpu()) return t;
  auto* data = const_cast<void*>(t.const_data_ptr());
  return at::from_blob(data, t.sizes(), t.strides(), [t](void*) {}, t.options().device(at::kCPU));
}

Tensor empty(IntArrayRef size, optional<at::ScalarType> dtype, optional<at::Layout>, optional<Device>, optional<bool>,
             optional<at::MemoryFormat> format) {
  return at::detail::empty_generic(size, &allocator, keys, c10::dtype_or_default(dtype), format);
}

Tensor empty_strided(IntArrayRef size, IntArrayRef stride, optional<at::ScalarType> dtype, optional<at::Layout>,
                     optional<Device>, optional<bool>) {
  return at::detail::empty_strided_generic(size, stride, &allocator, keys, c10::dtype_or_default(dtype));
}

Tensor copy_from(const Tensor& from, const Tensor& to, bool) {
  seen(to).copy_(seen(from));
  return to;
}

Tensor copy_from_and_resize(const Tensor& from, const Tensor& to) {
  to.resize_(from.sizes());
  return copy_from(from, to, false);
}

const Tensor& resize(const Tensor& t, IntArrayRef size, optional<at::MemoryFormat>) {
  at::native::resize_impl_cpu_(t.unsafeGetTensorImpl(), size, std::nullopt);
  return t;
}

Tensor& set(Tensor& t, at::Storage storage, int64_t offset, IntArrayRef size, IntArrayRef stride) {
  auto* impl = t.unsafeGetTensorImpl();
  impl->set_storage_keep_dtype(std::move(storage));
  impl->set_storage_offset(offset);
  impl->set_sizes_and_strides(size, stride);
  return t;
}

void hold_together(const Tensor& one, const Tensor& other) {
  TORCH_CHECK(one.device() == other.device(), "tensors on ", one.device(), " and ", other.device());
}

Tensor convolution(const Tensor& x, const Tensor& w, const optional<Tensor>& bias, IntArrayRef stride,
                   IntArrayRef padding, IntArrayRef dilation, bool transposed, IntArrayRef output, int64_t groups) {
  hold_together(x, w);
  optional<Tensor> b = bias.has_value() ? optional<Tensor>(seen(*bias)) : std::nullopt;
  return at::convolution(seen(x), seen(w), b, stride, padding, dilation, transposed, output, groups).to(here());
}

std::tuple<Tensor, Tensor, Tensor> convolution_backward(const Tensor& gradient, const Tensor& x, const Tensor& w,
                                                        IntArrayRef stride, IntArrayRef padding, IntArrayRef dilation,
                                                        bool transposed, IntArrayRef output, int64_t groups,
                                                        std::array<bool, 3> wanted) {
  const int64_t channels[] = {transposed ? w.size(1) * groups : w.size(0)};
  auto moved = [](const Tensor& t) { return t.defined() ? t.to(here()) : t; };
  auto [a, b, c] = at::convolution_backward(seen(gradient), seen(x), seen(w), IntArrayRef(channels), stride, padding,
                                            dilation, transposed, output, groups, wanted);
  return {moved(a), moved(b), moved(c)};
}

// Not by the fallback, which loses what is written into the running statistics.
std::tuple<Tensor, Tensor, Tensor> batch_norm(const Tensor& x, const optional<Tensor>& w, const optional<Tensor>& b,
                                              const optional<Tensor>& mean, const optional<Tensor>& variance,
                                              bool training, double momentum, double eps) {
  auto as_seen = [&](const optional<Tensor>& t) {
    if (t.has_value() && t->defined()) hold_together(x, *t);
    return t.has_value() ? optional<Tensor>(seen(*t)) : t;
  };
  auto [y, m, v] = at::native_batch_norm(seen(x), as_seen(w), as_seen(b), as_seen(mean), as_seen(variance), training,
                                         momentum, eps);
  return {y.to(here()), m.to(here()), v.to(here())};
}

void fallback(const c10::OperatorHandle& op, torch::jit::Stack* stack) {
  const auto& arguments = op.schema().arguments();
  const auto first = stack->size() - arguments.size();
  bool own = false, others = false;
  auto look = [&](const Tensor& t) {
    if (!t.defined()) return;
    own |= t.device().type() == kind;
    others |= t.device().is_cpu() && t.dim() > 0;  // a single number may be anywhere
  };
  std::vector<std::pair<at::Generator, at::Generator>> drawn;
  for (size_t i = 0; i < arguments.size(); ++i) {
    auto& value = (*stack)[first + i];
    if (value.isTensor()) {
      look(value.toTensor());
    } else if (value.isTensorList()) {
      for (const Tensor& t : value.toTensorVector()) look(t);
    } else if (arguments[i].type()->str().find("Generator") != std::string::npos) {
      at::Generator given = value.isNone() ? default_generator() : value.toGenerator();
      TORCH_CHECK(given.device().type() == kind, "a generator on ", given.device(), " for a tensor on ", here());
      at::Generator same = at::make_generator<at::CPUGeneratorImpl>();
      same.set_state(given.get_state());
      drawn.emplace_back(given, same);
      value = same;
    }
  }
  const auto& name = op.schema().name();
  TORCH_CHECK(!(own && others), name, " of tensors on ", here(), " and on cpu");
  at::Generator processor = at::detail::getDefaultCPUGenerator();
  const Tensor before = processor.get_state();
  // It takes no generator.
  const bool dropout = name == "aten::native_dropout";
  if (dropout) processor.set_state(default_generator().get_state());
  at::native::cpu_fallback(op, stack);
  if (dropout) default_generator().set_state(processor.get_state());
  if (dropout) processor.set_state(before);
  for (auto& [given, same] : drawn) given.set_state(same.get_state());
}

}  // namespace

TORCH_LIBRARY_IMPL(_, PrivateUse1, m) { m.fallback(torch::CppFunction::makeFromBoxedFunction<&fallback>()); }

TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {
  m.impl("empty.memory_format", empty);
  m.impl("empty_strided", empty_strided);
  m.impl("_copy_from", copy_from);
  m.impl("_copy_from_and_resize", copy_from_and_resize);
  m.impl("_local_scalar_dense", [](const Tensor& t) { return seen(t).item(); });
  m.impl("as_strided", at::native::as_strided_tensorimpl);
  m.impl("view", at::native::view);
  m.impl("_reshape_alias", at::native::_reshape_alias);
  m.impl("unfold", at::native::unfold);
  m.impl("resize_", resize);
  m.impl("set_.source_Storage_storage_offset", set);
  m.impl("convolution_overrideable", convolution);
  m.impl("convolution_backward_overrideable", convolution_backward);
  m.impl("native_batch_norm", batch_norm);
}

TORCH_LIBRARY(simulated, m) {
  m.def("state() -> Tensor", [] { return default_generator().get_state(); });
  m.def("set_state(Tensor state) -> ()", [](const Tensor& state) { default_generator().set_state(state); });
}
