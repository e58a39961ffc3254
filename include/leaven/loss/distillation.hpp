#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <variant>

#include <leaven/loss/output.hpp>
#include <leaven/loss/targets.hpp>
#include <leaven/stream.hpp>

namespace leaven {

/// Several teachers: q = sum of weight * softmax(logits / T), the weights divided by their sum. At most kMaxTeachers.
/// A teacher of weight 0 is not read; one that is fully masked in a row is left out there.
struct WeightedTeacher {
  LogitsView logits;
  float weight = 1.0f;
};
inline constexpr std::size_t kMaxTeachers = 8;

/// A teacher's answers in little room, made once by compress_teacher: its k most probable classes at one temperature,
/// and what is left for all others together. The student is compared on these k + 1 events: q_rest with the sum of its
/// probabilities of all other classes. Arrays of rows * k values, row after row; an index outside 0 .. classes - 1 or
/// one that comes twice makes the row an ignored one (kLabelOutOfRange), and so does a log-probability above 0 or NaN
/// or a bad `rest` (kWeightOutOfRange). Probabilities are divided by their sum. 1 <= k <= 64; not with DecoupledKl.
struct TopKTeacher {
  std::int64_t k = 0;
  std::span<const std::int32_t> classes;
  std::span<const Float16> log_probabilities;  ///< log q of each, at `temperature`
  std::span<const float> rest;                 ///< rows values: 1 - sum q
  float temperature = 0.0f;                    ///< of the cache; the loss must have the same
};

/// One teacher's logits, of any type (a cache in Float16 is one), several, or a compact cache.
using Teacher = std::variant<LogitsView, std::span<const WeightedTeacher>, TopKTeacher>;

struct DistillationInput {
  LogitsView student;
  Teacher teacher;
  std::optional<Targets> targets{};  ///< needed where hard_weight is not 0, and for DecoupledKl
};

// What is measured between p, the student's probabilities, and q, the teacher's, both at the temperature. Gradients are
// with respect to the student's logits.

/// KL(q || p) = sum q log(q / p) (Hinton et al. 2015, arXiv:1503.02531).
struct ForwardKl {};
/// KL(p || q). +inf, with gradient 0, where the student wants a class that the teacher excludes.
struct ReverseKl {};
/// beta KL(q || m) + (1 - beta) KL(p || m) with m = beta q + (1 - beta) p (generalised Jensen-Shannon divergence;
/// Agarwal et al. 2024, arXiv:2306.13649, equation 1).
struct JensenShannon {
  float beta = 0.5f;  ///< above 0, below 1
};
/// Decoupled: target_weight KL(target or not) + other_weight KL(among the other classes) (Zhao et al. 2022,
/// arXiv:2203.08679, alpha and beta of equation 7). Needs HardTargets; a row whose label is ignored is an ignored row.
struct DecoupledKl {
  float target_weight = 1.0f;
  float other_weight = 8.0f;
};
using Divergence = std::variant<ForwardKl, ReverseKl, JensenShannon, DecoupledKl>;

enum class TemperatureFactor { squared, none };
/// Whether rows of logits are z-scored, (x - mean) / standard deviation over the row's unmasked classes, before the
/// temperature (Sun et al. 2024, arXiv:2403.01427). Rows without spread become zeros.
enum class Standardise { no, yes };

struct DistillationOptions {
  float temperature = 4.0f;  ///< > 1 softens, < 1 sharpens
  float hard_weight = 0.1f;  ///< of the cross-entropy with the targets
  float soft_weight = 0.9f;  ///< of T^2 times the divergence
  Divergence divergence = ForwardKl{};
  TemperatureFactor factor = TemperatureFactor::squared;  ///< none: the divergence without T^2
  Standardise standardise = Standardise::no;              ///< of the soft part; not with a TopKTeacher
  float label_smoothing = 0.0f;
  std::int32_t ignore_label = kIgnoreLabel;
  LossWeights weights{};
  /// A row without a valid hard label still counts for the soft part; it is valid where soft_weight is not 0.
  Reduction reduction = Reduction::mean_valid;
};

/// hard_weight CE(student, targets) + soft_weight T^2 divergence(teacher, student), loss and gradient in one pass.
/// ForwardKl of one teacher is computed by a formula without cancellation (docs/losses.md): never negative, exactly 0
/// for equal rows. A part whose weight is 0 is not computed, its input not read. One launch; two with mean_valid where
/// rows can be invalid (no soft part, row weights, DecoupledKl, TopKTeacher), the first of which reads targets and
/// weights only.
void distillation_loss(const DistillationInput& in, const DistillationOptions& options, const LossOutput& out,
                       std::span<std::byte> workspace, Stream stream);

/// Where compress_teacher writes; sizes as in TopKTeacher.
struct TopKOutput {
  std::int64_t k = 0;
  std::span<std::int32_t> classes;
  std::span<Float16> log_probabilities;
  std::span<float> rest;
};

/// The k most probable classes of each row at the temperature (1 <= k <= 64 and k <= classes), the most probable first,
/// lower indices first on ties, and the mass of the rest. Rows with NaN or +inf and fully masked rows: classes 0 ..
/// k-1, log-probabilities -inf, rest 0, which the loss answers with 0.
void compress_teacher(LogitsView logits, float temperature, const TopKOutput& out, Stream stream);

}  // namespace leaven
