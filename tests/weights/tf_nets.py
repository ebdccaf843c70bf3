"""Nets with the layers, attributes and scopes of the reference code, for both
of its versions; written for these tests. Names of attributes and scopes decide
what checkpoints call the tensors, so they are the reference's."""
import tensorflow as tf
import tf_keras
from tf_keras.layers import Layer

v1 = tf.compat.v1
EPSILON = 1e-5


class Shape:
    """blocks of each group, kind of block, filters of the first group, ..."""

    def __init__(self, blocks, bottleneck, filters, sk=0.0, se=0.0, image=64,
                 head=3, out=128, classes=None):
        self.blocks, self.bottleneck, self.filters = blocks, bottleneck, filters
        self.sk, self.se, self.cifar = sk, se, image <= 32
        self.head, self.out, self.classes = head, out, classes


# ---- the first version: functions, names by their order ---------------------

def conv1(x, filters, kernel, stride=1, bias=False):
    if stride > 1:
        before = (kernel - 1) // 2
        pads = [before, kernel - 1 - before]
        x = tf.pad(x, [[0, 0], pads, pads, [0, 0]])
    return v1.layers.conv2d(x, filters, kernel, stride, use_bias=bias,
                            padding="SAME" if stride == 1 else "VALID")


def norm1(x, relu=True, center=True):
    x = v1.layers.batch_normalization(x, epsilon=EPSILON, center=center,
                                      training=False)
    return tf.nn.relu(x) if relu else x


def sk1(x, s, filters, stride):
    x = norm1(conv1(x, 2 * filters, 3, stride))
    streams = tf.stack(tf.split(x, 2, axis=3))
    pooled = tf.reduce_mean(tf.reduce_sum(streams, 0), [1, 2], keepdims=True)
    mixing = norm1(conv1(pooled, max(int(filters * s.sk), 32), 1))
    mixing = tf.stack(tf.split(conv1(mixing, 2 * filters, 1), 2, axis=3))
    return tf.reduce_sum(streams * tf.nn.softmax(mixing, 0), 0)


def se1(x, s, filters):
    y = tf.reduce_mean(x, [1, 2], keepdims=True)
    y = tf.nn.relu(conv1(y, max(1, int(filters * s.se)), 1, bias=True))
    return tf.sigmoid(conv1(y, x.shape[-1], 1, bias=True)) * x


def shortcut1(x, s, filters, stride):
    if s.sk:
        if stride > 1:
            x = tf.pad(x, [[0, 0], [0, 1], [0, 1], [0, 0]])
        x = tf.nn.avg_pool2d(x, 2, stride,
                             "SAME" if stride == 1 else "VALID")
        stride = 1
    return norm1(conv1(x, filters, 1, stride), relu=False)


def block1(x, s, filters, stride, project):
    shortcut = x
    if project:
        shortcut = shortcut1(x, s, filters * (4 if s.bottleneck else 1), stride)
    if s.bottleneck:
        x = norm1(conv1(x, filters, 1))
        if s.sk:
            x = sk1(x, s, filters, stride)
        else:
            x = norm1(conv1(x, filters, 3, stride))
        x = norm1(conv1(x, 4 * filters, 1), relu=False)
    else:
        x = norm1(conv1(x, filters, 3, stride))
        x = norm1(conv1(x, filters, 3), relu=False)
    if s.se:
        x = se1(x, s, filters)
    return tf.nn.relu(x + shortcut)


def encoder1(x, s):
    with v1.variable_scope("base_model"):
        if s.cifar:
            x = norm1(conv1(x, s.filters, 3))
        else:
            if s.sk:
                x = norm1(conv1(x, s.filters // 2, 3, 2))
                x = norm1(conv1(x, s.filters // 2, 3))
                x = conv1(x, s.filters, 3)
            else:
                x = conv1(x, s.filters, 7, 2)
            x = tf.nn.max_pool2d(norm1(x), 3, 2, "SAME")
        for group, count in enumerate(s.blocks):
            for i in range(count):
                x = block1(x, s, s.filters << group,
                           2 if group and not i else 1, i == 0)
        return tf.reduce_mean(x, [1, 2])


def linear1(x, units, scope, bias, norm):
    with v1.variable_scope(scope):
        x = v1.layers.dense(x, units, use_bias=bias and not norm)
        return norm1(x, relu=False, center=bias) if norm else x


def head1(h, s):
    x = h
    with v1.variable_scope("head_contrastive"):
        for i in range(s.head):
            last = i == s.head - 1
            x = linear1(x, s.out if last else x.shape[-1], f"nl_{i}",
                        bias=not last, norm=True)
            x = x if last else tf.nn.relu(x)
    return x


def supervised1(h, s):
    with v1.variable_scope("head_supervised"):
        return linear1(h, s.classes, "linear_layer", bias=True, norm=False)


# ---- the second: objects, names by the attributes that hold them ------------

class BatchNormRelu(Layer):
    def __init__(self, relu=True, center=True):
        super().__init__()
        self.relu = relu
        self.bn = tf_keras.layers.BatchNormalization(
            epsilon=EPSILON, center=center, fused=False)

    def call(self, x):
        x = self.bn(x, training=False)
        return tf.nn.relu(x) if self.relu else x


class FixedPadding(Layer):
    def __init__(self, kernel):
        super().__init__()
        self.kernel = kernel

    def call(self, x):
        before = (self.kernel - 1) // 2
        pads = [before, self.kernel - 1 - before]
        return tf.pad(x, [[0, 0], pads, pads, [0, 0]])


class Conv2dFixedPadding(Layer):
    def __init__(self, filters, kernel, stride=1):
        super().__init__()
        self.fixed_padding = FixedPadding(kernel) if stride > 1 else None
        self.conv2d = tf_keras.layers.Conv2D(
            filters, kernel, stride, use_bias=False,
            padding="SAME" if stride == 1 else "VALID")

    def call(self, x):
        if self.fixed_padding:
            x = self.fixed_padding(x)
        return self.conv2d(x)


class Identity(Layer):
    def call(self, x):
        return tf.identity(x)


class SkConv(Layer):
    def __init__(self, s, filters, stride):
        super().__init__()
        self.conv2d_fixed_padding = Conv2dFixedPadding(2 * filters, 3, stride)
        self.batch_norm_relu = BatchNormRelu()
        self.conv2d_0 = tf_keras.layers.Conv2D(max(int(filters * s.sk), 32), 1,
                                               use_bias=False)
        self.batch_norm_relu_1 = BatchNormRelu()
        self.conv2d_1 = tf_keras.layers.Conv2D(2 * filters, 1, use_bias=False)

    def call(self, x):
        x = self.batch_norm_relu(self.conv2d_fixed_padding(x))
        streams = tf.stack(tf.split(x, 2, axis=3))
        y = tf.reduce_mean(tf.reduce_sum(streams, 0), [1, 2], keepdims=True)
        y = self.conv2d_1(self.batch_norm_relu_1(self.conv2d_0(y)))
        y = tf.nn.softmax(tf.stack(tf.split(y, 2, axis=3)), 0)
        return tf.reduce_sum(streams * y, 0)


class SeLayer(Layer):
    def __init__(self, s, filters, channels):
        super().__init__()
        self.se_reduce = tf_keras.layers.Conv2D(max(1, int(filters * s.se)), 1)
        self.se_expand = tf_keras.layers.Conv2D(channels, 1)

    def call(self, x):
        y = tf.reduce_mean(x, [1, 2], keepdims=True)
        return tf.sigmoid(self.se_expand(tf.nn.relu(self.se_reduce(y)))) * x


def shortcut_layers(s, filters, stride):
    layers = []
    if s.sk:
        if stride > 1:
            layers.append(FixedPadding(2))
        layers.append(tf_keras.layers.AveragePooling2D(
            2, stride, "SAME" if stride == 1 else "VALID"))
        stride = 1
    return layers + [Conv2dFixedPadding(filters, 1, stride),
                     BatchNormRelu(relu=False)]


def through(layers, x):
    for layer in layers:
        x = layer(x)
    return x


class ResidualBlock(Layer):
    def __init__(self, s, filters, stride, project):
        super().__init__()
        self.shortcut_layers = shortcut_layers(s, filters,
                                               stride) if project else []
        self.conv2d_bn_layers = [
            Conv2dFixedPadding(filters, 3, stride), BatchNormRelu(),
            Conv2dFixedPadding(filters, 3), BatchNormRelu(relu=False)]
        self.se_layer = SeLayer(s, filters, filters) if s.se else None

    def call(self, x):
        y = through(self.conv2d_bn_layers, x)
        if self.se_layer:
            y = self.se_layer(y)
        return tf.nn.relu(y + through(self.shortcut_layers, x))


class BottleneckBlock(Layer):
    def __init__(self, s, filters, stride, project):
        super().__init__()
        self.projection_layers = shortcut_layers(s, 4 * filters,
                                                 stride) if project else []
        self.shortcut_dropblock = Identity()
        layers = [Conv2dFixedPadding(filters, 1), BatchNormRelu(), Identity()]
        if s.sk:
            layers.append(SkConv(s, filters, stride))
        else:
            layers += [Conv2dFixedPadding(filters, 3, stride), BatchNormRelu()]
        layers += [Identity(), Conv2dFixedPadding(4 * filters, 1),
                   BatchNormRelu(relu=False), Identity()]
        if s.se:
            layers.append(SeLayer(s, filters, 4 * filters))
        self.conv_relu_dropblock_layers = layers

    def call(self, x):
        y = through(self.conv_relu_dropblock_layers, x)
        return tf.nn.relu(y + through(self.projection_layers, x))


class BlockGroup(Layer):
    def __init__(self, s, filters, count, stride):
        super().__init__()
        block = BottleneckBlock if s.bottleneck else ResidualBlock
        self.layers = [block(s, filters, stride if i == 0 else 1, i == 0)
                       for i in range(count)]

    def call(self, x):
        return through(self.layers, x)


class Resnet(Layer):
    def __init__(self, s):
        super().__init__()
        if s.cifar:
            stem = [Conv2dFixedPadding(s.filters, 3), Identity(),
                    BatchNormRelu(), Identity()]
        else:
            if s.sk:
                stem = [Conv2dFixedPadding(s.filters // 2, 3, 2),
                        BatchNormRelu(),
                        Conv2dFixedPadding(s.filters // 2, 3), BatchNormRelu(),
                        Conv2dFixedPadding(s.filters, 3)]
            else:
                stem = [Conv2dFixedPadding(s.filters, 7, 2)]
            stem += [Identity(), BatchNormRelu(),
                     tf_keras.layers.MaxPooling2D(3, 2, "SAME"), Identity()]
        self.initial_conv_relu_max_pool = stem
        self.block_groups = [
            BlockGroup(s, s.filters << g, count, 2 if g else 1)
            for g, count in enumerate(s.blocks)]

    def call(self, x):
        x = through(self.initial_conv_relu_max_pool, x)
        return tf.reduce_mean(through(self.block_groups, x), [1, 2])


class LinearLayer(Layer):
    def __init__(self, units, bias=True, norm=False):
        super().__init__()
        self.dense = tf_keras.layers.Dense(units, use_bias=bias and not norm)
        if norm:
            self.bn_relu = BatchNormRelu(relu=False, center=bias)
        self.norm = norm

    def call(self, x):
        x = self.dense(x)
        return self.bn_relu(x) if self.norm else x


class ProjectionHead(Layer):
    def __init__(self, s, features):
        self.linear_layers = []
        for i in range(s.head):
            last = i == s.head - 1
            self.linear_layers.append(LinearLayer(
                s.out if last else features, bias=not last, norm=True))
        super().__init__()

    def call(self, x):
        for i, layer in enumerate(self.linear_layers):
            x = layer(x)
            x = tf.nn.relu(x) if i < len(self.linear_layers) - 1 else x
        return x


class SupervisedHead(Layer):
    def __init__(self, s):
        super().__init__(name="head_supervised")
        self.linear_layer = LinearLayer(s.classes)

    def call(self, x):
        return self.linear_layer(x)


class Model(tf_keras.models.Model):
    def __init__(self, s):
        super().__init__()
        features = (s.filters << 3) * (4 if s.bottleneck else 1)
        self.resnet_model = Resnet(s)
        self._projection_head = ProjectionHead(s, features)
        if s.classes:
            self.supervised_head = SupervisedHead(s)

    def call(self, x, training=False):
        h = self.resnet_model(x)
        z = self._projection_head(h)
        logits = self.supervised_head(h) if hasattr(
            self, "supervised_head") else h
        return h, z, logits
