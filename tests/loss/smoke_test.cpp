#include "tests/loss/loss_support.hpp"
namespace leaven::test { namespace {
class SmokeTest : public BackendTest {};
LEAVEN_ON_BOTH_BACKENDS(SmokeTest);
TEST_P(SmokeTest, X){
  for (std::int64_t c : {1,2,3,10,33,100,129,257,513,1000,1025,2049,4097}) {
    const HostMatrix s=normal_matrix(37,c,4,1), t=normal_matrix(37,c,4,2);
    HostTargets y; y.a=some_labels(37,c);
    const LossResult r=run_distillation(s,t,y,{.temperature=3,.hard_weight=.3f,.soft_weight=.7f},stream());
    const LossResult e=run_cross_entropy(s,y,{.label_smoothing=.1f},stream());
    for(int i=0;i<37;i++){ auto soft=reference::distillation(s.row(i),t.row(i),3); auto hard=reference::cross_entropy(s.row(i),reference::smoothed_label(s.row(i),y.a[i],0));
      EXPECT_NEAR(r.row_losses[i], (double)(.7L*soft.loss+.3L*hard.loss), 2e-5) << c;
      EXPECT_NEAR(r.gradient.row(i)[c/2]*37, (double)(.7L*soft.gradient[c/2]+.3L*hard.gradient[c/2]), 2e-6) << c;
      auto sm=reference::cross_entropy(s.row(i),reference::smoothed_label(s.row(i),y.a[i],.1f));
      EXPECT_NEAR(e.row_losses[i], (double)sm.loss, 2e-6*(1+(double)sm.loss)) << c;
    }
  }
}
}}
