// The layers of the embedding for one batch, forward and back, in lane vectors or in dual numbers.
//
//     layer 0:     A_ac = Σ_n W_nlc B_na,  B_na = Σ_p R_n Y_a
//     layer k ≥ 1: t_h = b_h + Σ_n U_nh R_n + Σ_a Q_ah Y_a,  Q_ah = Σ_c T_lch A^{k-1}_ac + Σ_c T_l(C+c)h P_ac, see couplings.h,
//                  w_h = t_h q_h,  q_h = 1 / sqrt(1 + t_h²),  g_lc = 1 + Σ_h V_hlc w_h
//                  A_ac = Σ_p g_lc φ_lc Y_a,  φ_lc = Σ_n W_nlc R_n
//
// Rows: A, P a · C + c, B a · N + n, Q a · H + h; g, φ l · C + c of every slot.
#pragma once

#include "couplings.h"
#include "descriptors.h"
#include "layer_tables.h"
#include "readout.h"
#include "row_transfer.h"
#include "tokens.h"

namespace {

// Slots whose rows are in the first-level cache together.
constexpr int CHUNK = 16;

template <class A>
struct Layers {
    typedef typename A::T T;
    typedef Number<A> X;
    const EmbeddingProgram<T> &program;
    const Batch<T> &batch;
    const T *theta;
    const bool keeps;                   // what the way back needs
    const int C, L, N, H, CL, Y, seen;  // the last: rows of T for every l
    Arena<T> arena;
    Tokens<A> tokens;
    Kept<A> kept[MOST_LAYERS + 1];
    X *descriptors, *pooled, *pooled_bar, *query_bar, *bar, *bar_below, *coupled_bar, *products, *adjoints, *gated;
    X *logit_bar, *square;
    X *radial_bar, *harmonic_bar;
    Vec<T> *to_W, *to_U, *to_b, *to_T, *to_V, *to_S;

    X *take(int64_t rows) { return (X *)arena.take(A::ROWS * rows); }

    Layers(const EmbeddingProgram<T> &p, const Batch<T> &b, const T *theta, bool keeps)
        : program(p), batch(b), theta(theta), keeps(keeps), C(p.n_channels), L(p.shared.l_max), N(p.n_radial),
          H(p.n_heads), CL(C * (L + 1)), Y((L + 1) * (L + 1)), seen(p.n_couplings ? 2 * C : C),
          arena{(Vec<T> *)b.workspace, 0}, tokens(arena, p, b.n_slots) {
        const int64_t n_slots = b.n_slots, n_kept = keeps || n_slots < CHUNK ? n_slots : CHUNK;
        for (int k = 0; k <= p.n_layers; ++k) {
            kept[k].density = take(Y * C);
            if (k == 0) continue;
            kept[k].query = take(Y * H);
            kept[k].coupled = take(p.n_couplings ? Y * C : 0);
            kept[k].phi = take(n_kept * CL);
            kept[k].gate = take(n_kept * CL);
            kept[k].weight = take(n_kept * H);
            kept[k].root = take(n_kept * H);
        }
        descriptors = take(padded(p.n_descriptors));
        pooled = take((int64_t)p.shared.n_elements * Y * N);
        pooled_bar = take(Y * N);
        query_bar = take(Y * H);
        bar = take(Y * C);
        bar_below = take(Y * C);
        coupled_bar = take(p.n_couplings ? Y * C : 0);
        products = take(CHUNK * CL);
        adjoints = take(CHUNK * CL);
        gated = take(CHUNK * C);
        logit_bar = take(CHUNK * H);
        square = take(C * C);
        radial_bar = take(keeps ? n_slots * N : 0);
        harmonic_bar = take(keeps ? n_slots * Y : 0);
        to_W = arena.take(N * CL);
        to_U = arena.take(N * H);
        to_b = arena.take(H);
        to_T = arena.take(seen * (L + 1) * H);
        to_V = arena.take(CL * H);
        to_S = arena.take(p.n_couplings * C);
    }

    // Calls action(neighbor, first, end) for the slots of every neighbor element that has some.
    template <class Action>
    inline void for_each_segment(const Action &action) const {
        int first = 0;
        for (int neighbor = 0; neighbor < program.shared.n_elements; ++neighbor) {
            const int end = batch.segment_end[neighbor];
            if (end > first) action(neighbor, first, end);
            first = end;
        }
    }

    // The same for at most CHUNK slots at a time: action(first, count).
    template <class Action>
    static inline void for_each_chunk(int first, int end, const Action &action) {
        for (; first < end; first += CHUNK) action(first, end - first < CHUNK ? end - first : CHUNK);
    }

    const X *radial(int slot) const { return tokens.radial + (int64_t)slot * N; }
    const X *harmonic(int slot) const { return tokens.harmonic + (int64_t)slot * Y; }
    Offsets table(int layer, int neighbor) const { return offsets<T>(program, layer, batch.element, neighbor); }

    // --- forward ----------------------------------------------------------------------------------------------------

    void forward(const T *directions) {
        for_each_segment([&](int neighbor, int first, int end) {
            for (int k = first; k < end; ++k) load_token<A>(program, batch, neighbor, k, directions, tokens);
        });
        const int64_t per_layer = program.n_descriptors / (program.n_layers + 1);
        for (int k = 0; k <= program.n_layers; ++k) {
            fill<X>(kept[k].density, Y * C, X{});
            if (k == 0)
                pool();
            else
                attend(k);
            describe<A>(program, kept[k].density, square, descriptors + k * per_layer);
        }
    }

    void pool() {
        for_each_segment([&](int neighbor, int first, int end) {
            X *sums = pooled + (int64_t)neighbor * Y * N;
            fill<X>(sums, Y * N, X{});
            Outer<A, Sums<A>>{end - first, Y, N, harmonic(first), Y, radial(first), N, sums, N}.run();
            const T *W = theta + table(0, neighbor).W;
            for (int l = 0; l <= L; ++l)
                Multiply<A, SameInLanes<A>>{2 * l + 1, N, C, sums + l * l * N, N, W + l * C, CL, 1}.add(
                    kept[0].density + l * l * C, C);
        });
    }

    void attend(int k) {
        const Offsets at = table(k, 0);
        const X *density = kept[k - 1].density;
        if (program.n_couplings) couple<A>(program, theta + at.S, density, kept[k].coupled);
        for (int l = 0; l <= L; ++l) {
            const T *to_logits = theta + at.T + l * seen * H;
            X *query = kept[k].query + l * l * H;
            Multiply<A, SameInLanes<A>>{2 * l + 1, C, H, density + l * l * C, C, to_logits, H, 1}.write(query, H);
            if (program.n_couplings)
                Multiply<A, SameInLanes<A>>{2 * l + 1, C, H, kept[k].coupled + l * l * C, C, to_logits + C * H, H, 1}
                    .add(query, H);
        }
        for_each_segment([&](int neighbor, int begin, int end) {
            for_each_chunk(
                begin, end, [&](int first, int count) { attend_chunk(k, table(k, neighbor), first, count); });
        });
    }

    void attend_chunk(int k, const Offsets &at, int first, int count) {
        const int64_t row = keeps ? first : 0;
        X *weight = kept[k].weight + row * H, *root = kept[k].root + row * H;
        X *gate = kept[k].gate + row * CL, *phi = kept[k].phi + row * CL;
        const T *start = theta + at.b;
        Multiply<A, SameInLanes<A>>{count, N, H, radial(first), N, theta + at.U, H, 1}.write_from(
            [=](int h) { return Arithmetic<A>::of(start[h]); }, weight, H);
        Multiply<A, OfLanes<A>>{count, Y, H, harmonic(first), Y, kept[k].query, H, 1}.add(weight, H);
        for (int i = 0; i < count * H; ++i) {
            X square = Arithmetic<A>::of(1);
            Arithmetic<A>::add(square, weight[i], weight[i]);
            root[i] = Arithmetic<A>::inverse_root(square);
            weight[i] = Arithmetic<A>::times(weight[i], root[i]);
        }
        for (int l = 0; l <= L; ++l) {
            X *const to_gate = gate + l * C, *const to_phi = phi + l * C, *const product = gated;
            const int stride = CL, C = this->C;
            Multiply<A, SameInLanes<A>>{count, H, C, weight, H, theta + at.V + l * C, CL, 1}.write_from(
                [](int) { return Arithmetic<A>::of(1); }, to_gate, CL);
            Multiply<A, SameInLanes<A>>{count, N, C, radial(first), N, theta + at.W + l * C, CL, 1}.finish(
                [=](int s, int c, X sum) {
                    to_phi[s * stride + c] = sum;
                    product[s * C + c] = Arithmetic<A>::times(to_gate[s * stride + c], sum);
                });
            X *density = kept[k].density + l * l * C;
            Outer<A, Sums<A>>{count, 2 * l + 1, C, harmonic(first) + l * l, Y, product, C, density, C}.run();
        }
    }

    // --- back, see attention_adjoints.h --------------------------------------------------------------------------------

    void backward(bool positions, double *theta_gradient);
    void pool_back(bool positions, double *theta_gradient);
    void attend_back(int k, bool positions, double *theta_gradient);
    void query_back(const X *density, int64_t table, int channel, bool of_theta, X *density_bar);
    void attend_chunk_back(int k, const Offsets &at, bool positions, int first, int count);
    void table_chunk_back(int k, int first, int count);
    void position_chunk_back(int k, const Offsets &at, int first, int count);
    void store_gradients(T *gradients, bool add);
};

}  // namespace
