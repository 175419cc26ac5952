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
#include "readout.h"
#include "layer_tables.h"
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
    const bool keeps;  // what the way back needs
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
                Multiply<A, SameInLanes<A>>{2 * l + 1, C, H, kept[k].coupled + l * l * C, C, to_logits + C * H, H, 1}.add(
                    query, H);
        }
        for_each_segment([&](int neighbor, int begin, int end) {
            for_each_chunk(begin, end, [&](int first, int count) { attend_chunk(k, table(k, neighbor), first, count); });
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

    // --- back -------------------------------------------------------------------------------------------------------

    // From the adjoints in `descriptors` to those of R_n and Y_a (`positions`; lane vectors only), and to the derivatives
    // with respect to theta, which are added to theta_gradient if it is given.
    void backward(bool positions, double *theta_gradient) {
        if (positions) {
            fill<X>(radial_bar, (int64_t)batch.n_slots * N, X{});
            fill<X>(harmonic_bar, (int64_t)batch.n_slots * Y, X{});
        }
        const int64_t per_layer = program.n_descriptors / (program.n_layers + 1);
        fill<X>(bar, Y * C, X{});
        for (int k = program.n_layers; k >= 0; --k) {
            describe_back<A>(program, kept[k].density, square, descriptors + k * per_layer, bar);
            if (k == 0)
                pool_back(positions, theta_gradient);
            else
                attend_back(k, positions, theta_gradient);
        }
    }

    void pool_back(bool positions, double *theta_gradient) {
        for_each_segment([&](int neighbor, int first, int end) {
            const int64_t W = table(0, neighbor).W;
            if (theta_gradient) {
                const X *sums = pooled + (int64_t)neighbor * Y * N;
                fill<Vec<T>>(to_W, N * CL, Vec<T>{});
                for (int l = 0; l <= L; ++l)
                    Outer<A, Shares<A>>{2 * l + 1, N, C, sums + l * l * N, N, bar + l * l * C, C, to_W + l * C, CL}.run();
                add_over_lanes<T>(to_W, N * CL, theta_gradient + W);
            }
            if constexpr (A::ROWS == 1) {
                if (!positions) return;
                for (int l = 0; l <= L; ++l)
                    Multiply<A, SameInLanes<A>>{2 * l + 1, C, N, bar + l * l * C, C, theta + W + l * C, 1, CL}.write(
                        pooled_bar + l * l * N, N);
                X *to_radial = radial_bar + (int64_t)first * N, *to_harmonic = harmonic_bar + (int64_t)first * Y;
                Multiply<A, OfLanes<A>>{end - first, Y, N, harmonic(first), Y, pooled_bar, N, 1}.add(to_radial, N);
                Multiply<A, OfLanes<A>>{end - first, N, Y, radial(first), N, pooled_bar, 1, N}.add(to_harmonic, Y);
            }
        });
    }

    // Leaves the adjoints of the densities below in `bar`.
    void attend_back(int k, bool positions, double *theta_gradient) {
        fill<X>(query_bar, Y * H, X{});
        fill<Vec<T>>(to_V, H * CL, Vec<T>{});
        for_each_segment([&](int neighbor, int begin, int end) {
            const Offsets at = table(k, neighbor);
            fill<Vec<T>>(to_W, N * CL, Vec<T>{});
            fill<Vec<T>>(to_U, N * H, Vec<T>{});
            fill<Vec<T>>(to_b, H, Vec<T>{});
            for_each_chunk(begin, end, [&](int first, int count) {
                attend_chunk_back(k, at, positions, first, count);
                if (theta_gradient) table_chunk_back(k, first, count);
                if constexpr (A::ROWS == 1)
                    if (positions) position_chunk_back(k, at, first, count);
            });
            if (!theta_gradient) return;
            add_over_lanes<T>(to_W, N * CL, theta_gradient + at.W);
            add_over_lanes<T>(to_U, N * H, theta_gradient + at.U);
            add_over_lanes<T>(to_b, H, theta_gradient + at.b);
        });
        const Offsets at = table(k, 0);
        query_back(kept[k - 1].density, at.T, 0, theta_gradient, bar_below);
        if (program.n_couplings) {
            query_back(kept[k].coupled, at.T, C, theta_gradient, coupled_bar);
            fill<Vec<T>>(to_S, program.n_couplings * C, Vec<T>{});
            couple_back<A>(
                program, theta + at.S, kept[k - 1].density, coupled_bar, bar_below, theta_gradient ? to_S : nullptr);
        }
        X *const above = bar;
        bar = bar_below;
        bar_below = above;
        if (!theta_gradient) return;
        add_over_lanes<T>(to_T, seen * (L + 1) * H, theta_gradient + at.T);
        add_over_lanes<T>(to_V, CL * H, theta_gradient + at.V);
        add_over_lanes<T>(to_S, program.n_couplings * C, theta_gradient + at.S);
    }

    // From the adjoints of Q to those of A or P, which are written, and to those of the rows of T from `channel` on.
    void query_back(const X *density, int64_t table, int channel, bool of_theta, X *density_bar) {
        for (int l = 0; l <= L; ++l) {
            const int64_t rows = (l * seen + channel) * H;
            const X *query = query_bar + l * l * H;
            Multiply<A, SameInLanes<A>>{2 * l + 1, H, C, query, H, theta + table + rows, 1, H}.write(
                density_bar + l * l * C, C);
            if (!of_theta) continue;
            fill<Vec<T>>(to_T + rows, C * H, Vec<T>{});
            Outer<A, Shares<A>>{2 * l + 1, C, H, density + l * l * C, C, query, H, to_T + rows, H}.run();
        }
    }

    // Adjoints of g in `products`, of φ in `adjoints`, of t in `logit_bar`, of Q, and of Y_a as far as A depends on them.
    void attend_chunk_back(int k, const Offsets &at, bool positions, int first, int count) {
        const X *const root = kept[k].root + (int64_t)first * H;
        for (int l = 0; l <= L; ++l) {
            const int64_t column = (int64_t)first * CL + l * C;
            const X *const gate = kept[k].gate + column, *const phi = kept[k].phi + column;
            X *const to_gate = products + l * C, *const to_phi = adjoints + l * C, *const product = gated;
            const int stride = CL, C = this->C;
            Multiply<A, OfLanes<A>>{count, 2 * l + 1, C, harmonic(first) + l * l, Y, bar + l * l * C, C, 1}.finish(
                [=](int s, int c, X sum) {
                    const X g = gate[s * stride + c], f = phi[s * stride + c];
                    to_gate[s * stride + c] = Arithmetic<A>::times(f, sum);
                    to_phi[s * stride + c] = Arithmetic<A>::times(g, sum);
                    product[s * C + c] = Arithmetic<A>::times(g, f);
                });
            if constexpr (A::ROWS == 1)
                if (positions && l > 0)
                    Multiply<A, OfLanes<A>>{count, C, 2 * l + 1, product, C, bar + l * l * C, 1, C}.add(
                        harmonic_bar + (int64_t)first * Y + l * l, Y);
        }
        X *const to_logit = logit_bar;
        const int H = this->H;
        Multiply<A, SameInLanes<A>>{count, CL, H, products, CL, theta + at.V, 1, CL}.finish(
            [=](int s, int h, X sum) {
                const X u = root[s * H + h];
                to_logit[s * H + h] = Arithmetic<A>::times(Arithmetic<A>::times(u, Arithmetic<A>::times(u, u)), sum);
            });
        Outer<A, Sums<A>>{count, Y, H, harmonic(first), Y, logit_bar, H, query_bar, H}.run();
    }

    void table_chunk_back(int k, int first, int count) {
        const X *weight = kept[k].weight + (int64_t)first * H;
        Outer<A, Shares<A>>{count, N, CL, radial(first), N, adjoints, CL, to_W, CL}.run();
        Outer<A, Shares<A>>{count, N, H, radial(first), N, logit_bar, H, to_U, H}.run();
        Outer<A, Shares<A>>{count, H, CL, weight, H, products, CL, to_V, CL}.run();
        for (int s = 0; s < count; ++s)
            for (int h = 0; h < H; ++h) to_b[h] += Arithmetic<A>::share(logit_bar[s * H + h]);
    }

    void position_chunk_back(int k, const Offsets &at, int first, int count) {
        X *to_radial = radial_bar + (int64_t)first * N, *to_harmonic = harmonic_bar + (int64_t)first * Y;
        Multiply<A, SameInLanes<A>>{count, CL, N, adjoints, CL, theta + at.W, 1, CL}.add(to_radial, N);
        Multiply<A, SameInLanes<A>>{count, H, N, logit_bar, H, theta + at.U, 1, H}.add(to_radial, N);
        Multiply<A, OfLanes<A>>{count, H, Y, logit_bar, H, kept[k].query, 1, H}.add(to_harmonic, Y);
    }

    // From the adjoints of R_n and Y_a to those of the vectors, written or added.
    void store_gradients(T *gradients, bool add) {
        for (int k = 0; k < batch.n_slots; ++k)
            store_token_gradient<T>(
                program, batch, k, radial_bar + (int64_t)k * N, harmonic_bar + (int64_t)k * Y, tokens, gradients, add);
    }
};

}  // namespace
