"""CamVid, Cityscapes on Colab, your own pictures, archives unpacked without trust (chapter 13)."""
